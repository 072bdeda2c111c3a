/** What a consumer would see, where the memory publisher stands in for Kafka. */
import type { FastifyPluginAsync } from 'fastify';
import type { Bytes } from '../protocol/wire.ts';
import { figure, stamp } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { emptyState } from './layout.ts';
import { text } from './list-filters.ts';
import { PAGE, sendPage } from './pages.ts';
import { shortBytes } from './payload-view.ts';
import { queryOf } from './rest.ts';
import { fieldsOf } from './visit.ts';

const PATH = '/console/records';
const PAGE_SIZE = 50;

interface MemoryRecord {
  readonly position: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Bytes | null;
  readonly payload: Bytes | null;
  readonly headers: Record<string, Bytes>;
  readonly timestamp: string;
}

const headerList = (headers: Record<string, Bytes>): Html =>
  html`<details><summary>${figure(Object.keys(headers).length)}</summary><dl class="headers">${Object.entries(headers).map(([name, value]) => html`<div><dt><bdi>${name}</bdi></dt><dd>${shortBytes(value)}</dd></div>`)}</dl></details>`;

const row = (record: MemoryRecord): Html => html`<tr><td class="number">${figure(record.position)}</td>
<th scope="row">${record.topic}</th>
<td class="number roomy">${record.partition}</td>
<td class="number roomy">${figure(record.offset)}</td>
<td class="roomy">${shortBytes(record.key)}</td>
<td>${record.payload === null ? html`<span class="quiet">tombstone</span>` : shortBytes(record.payload)}</td>
<td>${headerList(record.headers)}</td>
<td class="roomy stamp">${stamp(record.timestamp)}</td></tr>`;

const table = (
  records: readonly MemoryRecord[],
): Html => html`<div class="scroll" role="region" aria-label="Records" tabindex="0"><table>
<caption class="unseen">Records in the order of their arrival</caption>
<thead><tr><th scope="col" class="number">No.</th><th scope="col">Topic</th><th scope="col" class="number roomy">Partition</th><th scope="col" class="number roomy">Offset</th><th scope="col" class="roomy">Key</th><th scope="col">Payload</th><th scope="col">Headers</th><th scope="col" class="roomy">At (UTC)</th></tr></thead>
<tbody>${records.map(row)}</tbody>
</table></div>`;

export const recordRoutes: FastifyPluginAsync = async app => {
  app.get(PATH, PAGE, async (request, reply) => {
    const { topic = '', after } = fieldsOf(request.query);
    const query = { topic: topic === '' ? undefined : topic, after };
    const { items, next } = await request.visit.rest.get<{ items: MemoryRecord[]; next: number }>(
      `/v1/memory/records${queryOf({ ...query, limit: PAGE_SIZE })}`,
    );
    const list =
      items.length === 0
        ? emptyState('No record', 'A record appears here as soon as its transaction is committed.')
        : table(items);
    const main = html`<h1>Records</h1><p class="lead">What a consumer would see. There is no Kafka: they are kept in memory, and are gone at the next start.</p>
<form class="find" action="${PATH}" role="search" aria-label="Filters">${text('topic', 'Topic', topic)} <button class="act">Show</button></form>${list}
<p>${after !== undefined && html`<a href="${PATH}${queryOf({ topic: query.topic })}">← From the beginning</a> `}${items.length === PAGE_SIZE && html`<a href="${PATH}${queryOf({ topic: query.topic, after: next })}">Later →</a>`}</p>`;
    return sendPage(request, reply, 'Records', main);
  });
};
