/** The first page: what needs a person, the way of the messages with what waits where, and how the broker is. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { AttentionBody, StatusBody } from '../protocol/wire.ts';
import { type Cause, causeLink, causesOf } from './causes.ts';
import { age, counted, distance, duration, figure, size } from './clock-words.ts';
import { type EventStreams, LAST_EVENT } from './event-stream.ts';
import { type Html, html } from './html.ts';
import { icon } from './icons.ts';
import { surroundingsNow } from './layout.ts';
import { PAGE, sendHtml, sendPage, statusOf } from './pages.ts';
import { pathPicture } from './path-picture.ts';
import type { Course, Parts, Sampler } from './sampler.ts';
import { sparkline } from './sparkline.ts';

/** Causes that are told one by one. */
const MAX_CAUSES = 5;

const COMPACT = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 2 });
const LARGE = 1_000_000;

/** For a place with little room. */
const short = (count: number): string => (count < LARGE ? figure(count) : COMPACT.format(count));

const perSecond = (rate: number | undefined): string => {
  if (rate === undefined) return '–/s';
  return `${rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : figure(Math.round(rate))}/s`;
};

const ageOf = (at: string | null, now: number): string => (at === null ? '–' : duration(now - Date.parse(at)));

const sum = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => value + b[i]!);

/** What is told of each of the broker's checks while all is well. */
const WELL: Readonly<Record<string, string>> = {
  process: 'The broker accepts transactions.',
  store: 'There is room on the disk.',
  kafka: 'Kafka can be reached.',
  topics: 'Nothing stands in the way of any topic.',
  producerGroups: 'Every producer group that was asked has answered.',
};
const UNWELL: Readonly<Record<string, string>> = {
  process: 'The broker does not accept transactions',
  store: 'The disk',
  kafka: 'Kafka',
  topics: 'Topics',
  producerGroups: 'Producer groups',
};
const LEADS: Readonly<Record<string, string>> = {
  topics: '/console/topics',
  producerGroups: '/console/producer-groups',
};

const checkLine = (name: string, check: { status: string; detail?: string }, isMemory: boolean): Html => {
  if (check.status === 'ok') {
    const words =
      isMemory && name === 'kafka'
        ? 'There is no Kafka: records stay in memory and are gone at the next start.'
        : (WELL[name] ?? `${name}: ok`);
    return html`<li class="good">${icon('good')}<span>${words}</span></li>`;
  }
  const tone = check.status === 'unavailable' ? 'bad' : 'warn';
  const subject = UNWELL[name] ?? name;
  const lead = LEADS[name];
  return html`<li class="${tone}">${icon(tone)}<span><strong>${lead ? html`<a id="check-${name}" href="${lead}">${subject}</a>` : subject}:</strong> ${check.detail ?? check.status}</span></li>`;
};

const healthList = ({ checks, publisher }: StatusBody): Html =>
  html`<ul class="checks">${Object.entries(checks).map(([name, check]) => checkLine(name, check, publisher === 'memory'))}</ul>`;

const diskLine = ({ disk }: StatusBody): Html =>
  html`${size(disk.freeBytes)} free, ${size(disk.reserveBytes)} of it kept for the end of what was begun · database ${size(disk.databaseBytes)} · log ${size(disk.walBytes)}`;

const kafkaWord = ({ publisher, checks }: StatusBody): string =>
  publisher === 'memory' ? 'memory, no Kafka' : checks.kafka?.status === 'ok' ? 'can be reached' : 'is away';

/** Everything of the page that moves, by the name of the event that brings it. What can have the focus has an id, by which htmx gives it back. */
export const overviewParts = (status: StatusBody, { rates, lines }: Course): Parts => {
  const { transactions, messages, oldest } = status;
  const now = Date.parse(status.now);
  return {
    prepared: short(transactions.prepared),
    preparedAge: ageOf(oldest.prepared, now),
    unresolved: short(transactions.unresolved),
    ready: short(messages.ready),
    readyAge: ageOf(oldest.ready, now),
    parked: short(messages.parked),
    parkedAge: ageOf(oldest.parked, now),
    forwarded: short(messages.forwarded),
    kafka: kafkaWord(status),
    preparedRate: perSecond(rates?.prepared),
    committedRate: perSecond(rates?.committed),
    rolledBackRate: perSecond(rates?.rolledBack),
    forwardedRate: perSecond(rates?.forwarded),
    checksRate: perSecond(rates?.checks),
    preparedLine: sparkline(lines.prepared).toString(),
    decidedLine: sparkline(sum(lines.committed, lines.rolledBack)).toString(),
    forwardedLine: sparkline(lines.forwarded).toString(),
    health: healthList(status).toString(),
    disk: diskLine(status).toString(),
    attention: `${status.status} ${transactions.unresolved} ${messages.parked} ${transactions.contradicted}`,
  };
};

/** Parts that readers of screens may be told of. */
export const RARE_PARTS: ReadonlySet<string> = new Set(['attention', 'health', 'disk']);

/** Null: the broker has more important things to do just now. */
const attentionOf = async (request: FastifyRequest): Promise<AttentionBody | null> => {
  const { status, body } = await request.visit.rest.call('GET', '/v1/attention');
  return status === 200 ? (body as AttentionBody) : null;
};

const causeLine = (cause: Cause, index: number, now: number): Html =>
  html`<li class="${cause.kind}">${icon('warn')}<a id="cause-${index}" href="${causeLink(cause)}"><strong>${figure(cause.count)}</strong> ${cause.kind === 'parked' ? 'parked in' : 'unresolved of'} <strong>${cause.place}</strong></a><span class="error">${cause.words}</span><span class="age">oldest ${age(cause.oldestAt, now)}</span></li>`;

/** Where the causes are not known. */
const countedOnly = ({ transactions, messages }: StatusBody): Html => html`
${transactions.unresolved > 0 && html`<li class="unresolved">${icon('warn')}<a id="unresolved" href="/console/unresolved"><strong>${figure(transactions.unresolved)}</strong> unresolved</a></li>`}
${messages.parked > 0 && html`<li class="parked">${icon('warn')}<a id="parked" href="/console/parked"><strong>${figure(messages.parked)}</strong> parked</a></li>`}`;

const causeLines = (attention: AttentionBody, now: number): Html => {
  const causes = causesOf(attention);
  const more = causes.length - MAX_CAUSES;
  return html`${causes.slice(0, MAX_CAUSES).map((cause, i) => causeLine(cause, i, now))}
${more > 0 && html`<li><a href="/console/${causes[MAX_CAUSES]!.kind}">${counted(more, 'further cause')}</a></li>`}`;
};

const attentionList = (status: StatusBody, attention: AttentionBody | null): Html => {
  const { unresolved, contradicted } = status.transactions;
  if (unresolved + contradicted + status.messages.parked === 0) {
    return html`<p class="calm">${icon('good')}<span>Nothing needs a person.</span></p>`;
  }
  return html`<ul class="causes">
${attention === null ? countedOnly(status) : causeLines(attention, Date.parse(status.now))}
${
  contradicted > 0 &&
  html`<li>${icon('bad')}<a id="contradicted" href="/console/transactions?is=contradicted"><strong>${figure(contradicted)}</strong> contradicted</a><span class="error">the producer and the broker say different things</span></li>`
}</ul>`;
};

const flow = (title: string, rate: Html, line: Html): Html =>
  html`<figure class="flow"><figcaption>${title}</figcaption><p class="rate">${rate}</p>${line}<p class="quiet">last five minutes</p></figure>`;

const overview = (status: StatusBody, attention: AttentionBody | null, course: Course): Html => {
  const parts = overviewParts(status, course);
  const live = (name: string): Html => html`<span sse-swap="${name}">${parts[name]}</span>`;
  return html`<div hx-ext="sse" sse-connect="/console/live" sse-close="${LAST_EVENT}">
<h1>Overview</h1>
<section aria-labelledby="attention-h" class="attention">
<h2 id="attention-h">What needs a person</h2>
<div hx-get="/console/attention" hx-trigger="sse:attention" aria-live="polite" data-testid="attention">${attentionList(status, attention)}</div>
</section>
<section aria-labelledby="way-h">
<h2 id="way-h">What waits where</h2>
${pathPicture(parts)}
</section>
<section aria-labelledby="flow-h">
<h2 id="flow-h">What passes</h2>
<div class="flows">
${flow('Prepared', live('preparedRate'), lineOf('preparedLine', course.lines.prepared))}
${flow('Decided', html`${live('committedRate')} <small>committed</small> ${live('rolledBackRate')} <small>rolled back</small>`, lineOf('decidedLine', sum(course.lines.committed, course.lines.rolledBack)))}
${flow('Forwarded', live('forwardedRate'), lineOf('forwardedLine', course.lines.forwarded))}
</div>
<p class="quiet">Producer groups asked: ${live('checksRate')}. The broker was started ${distance(Date.parse(status.startedAt), Date.parse(status.now))}.</p>
</section>
<section aria-labelledby="health">
<h2 id="health">How the broker is</h2>
<div sse-swap="health" data-testid="checks">${healthList(status)}</div>
<p class="quiet" sse-swap="disk">${diskLine(status)}</p>
</section>
</div>`;
};

const lineOf = (name: string, values: readonly number[]): Html =>
  html`<div sse-swap="${name}">${sparkline(values)}</div>`;

export interface OverviewSettings {
  readonly sampler: Sampler;
  readonly streams: EventStreams;
}

export const overviewRoutes: FastifyPluginAsync<OverviewSettings> = async (app, { sampler, streams }) => {
  app.get('/console', PAGE, async (request, reply) => {
    const [status, attention] = await Promise.all([statusOf(request), attentionOf(request)]);
    return sendPage(request, reply, 'Overview', overview(status, attention, sampler.course()), status);
  });

  app.get('/console/attention', PAGE, async (request, reply) => {
    const [status, attention] = await Promise.all([statusOf(request), attentionOf(request)]);
    const frame = { visitor: request.visit.visitor, pulse: status, here: '/console' };
    return sendHtml(reply, html`${attentionList(status, attention)}${surroundingsNow(frame)}`);
  });

  app.get('/console/live', { ...PAGE, exposeHeadRoute: false }, async (request, reply) => {
    // Whose key is good no longer shall hear it now, and not in the turn of the others.
    await statusOf(request);
    const { key } = request.visit.visitor;
    let leave = (): void => undefined;
    const stream = streams.open(reply, key, () => leave());
    leave = sampler.watch({ key, stream });
    return reply;
  });
};
