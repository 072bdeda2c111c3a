/** Everything that happened to a transaction, in the order of time. */
import type { TransactionDetail } from '../protocol/wire.ts';
import { duration, stamp } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { type IconName, icon } from './icons.ts';

type Line = TransactionDetail['history'][number];

const EVENTS: Readonly<Record<string, readonly [IconName, string]>> = {
  prepared: ['wait', 'Stored as half messages'],
  committed: ['good', 'Committed'],
  rolled_back: ['none', 'Rolled back'],
  unresolved: ['warn', 'Unresolved: it waits for a person'],
  check_unknown: ['wait', 'Asked; the answer was “unknown”'],
  check_no_answer: ['warn', 'Asked; there was no answer'],
  check_asked: ['wait', 'To be asked again at once'],
  contradicted: ['bad', 'Contradicted: the opposite came later'],
  confirmed: ['good', 'Said again, as it was'],
  parked: ['warn', 'Parked: Kafka refuses it'],
  retried: ['wait', 'To be sent again'],
  discarded: ['bad', 'Discarded for ever'],
  forwarded: ['good', 'In Kafka'],
};

const who = (by: string): string => by.replace(/^(?:operator|viewer):/, '');

const item = (line: Line, start: number): Html => {
  const [mark, words] = EVENTS[line.event] ?? (['none', line.event] as const);
  const after = Date.parse(line.at) - start;
  return html`<li>
<span class="when"><time datetime="${line.at}">${stamp(line.at)}</time> <span class="quiet">${after <= 0 ? 'the start' : `+${duration(after)}`}</span></span>
<span class="what">${icon(mark)}<strong>${words}</strong>${line.times > 1 && html` <span class="times">${line.times} times, the last at this time</span>`} <span class="quiet">by ${who(line.by)}</span>${line.detail && html`<bdi class="detail">${line.detail}</bdi>`}</span>
</li>`;
};

export const timeline = ({ history, preparedAt }: TransactionDetail): Html =>
  html`<ol class="timeline" data-testid="timeline">${history.map(line => item(line, Date.parse(preparedAt)))}</ol>`;
