/** States and deciders in words, each with a mark of its own: no colour alone says anything. */
import type { MessageState, ResolvedBy, TransactionBody, TransactionState } from '../protocol/wire.ts';
import { type Html, html } from './html.ts';
import { type IconName, icon } from './icons.ts';

type Tone = 'good' | 'warn' | 'bad' | 'wait' | 'none';

const mark = (tone: Tone, words: string): Html =>
  html`<span class="state ${tone}">${icon(tone as IconName)}${words}</span>`;

const TRANSACTION_STATES: Record<TransactionState, [Tone, string]> = {
  prepared: ['wait', 'undecided'],
  committed: ['good', 'committed'],
  rolled_back: ['none', 'rolled back'],
};

const MESSAGE_STATES: Record<MessageState, [Tone, string]> = {
  held: ['wait', 'held'],
  ready: ['wait', 'waits for Kafka'],
  forwarded: ['good', 'in Kafka'],
  parked: ['warn', 'parked'],
  discarded: ['bad', 'discarded'],
  dropped: ['none', 'dropped'],
};

export const transactionMark = ({
  state,
  unresolved,
}: Pick<TransactionBody, 'state'> & { unresolved: boolean }): Html =>
  unresolved ? mark('warn', 'unresolved') : mark(...(TRANSACTION_STATES[state] ?? ['none', state]));

/** A state that this page does not know is shown as it is called. */
export const messageMark = (state: MessageState): Html =>
  mark(...(MESSAGE_STATES[state] ?? (['none', state] as const)));

export const parkedMark = (count: number): Html => mark('warn', count === 1 ? '1 parked' : `${count} parked`);

const RESOLVERS: Record<ResolvedBy, string> = {
  producer: 'its producer',
  check: 'the answer of a check',
  operator: 'an operator',
  policy: 'the policy of its group',
};

export const resolverWords = (by: ResolvedBy | null): string => (by === null ? 'nobody yet' : (RESOLVERS[by] ?? by));
