/** What is the case with a transaction, in sentences for somebody who has just been woken up. */
import type { TransactionDetail } from '../protocol/wire.ts';
import { counted, distance, duration } from './clock-words.ts';
import { type Html, html } from './html.ts';
import { resolverWords } from './state-words.ts';

export interface Story {
  readonly tone: 'good' | 'warn' | 'bad' | 'wait' | 'none';
  readonly headline: string;
  readonly more: Html | null;
}

const undecided = (detail: TransactionDetail, now: number): Story => {
  const { check, group, preparedAt, unresolved } = detail;
  const since = duration(now - Date.parse(preparedAt));
  const asked = html`The producer group <a id="story-group" href="/console/producer-groups/${group}">${group}</a>`;
  if (unresolved) {
    const why = check.lastError
      ? html`${asked} cannot be asked: <strong>${check.lastError}</strong>.`
      : check.attempts > 0
        ? html`${asked} answered “unknown” ${counted(check.attempts, 'time')}: it looked, and does not know.`
        : html`${asked} has no check address.`;
    return {
      tone: 'warn',
      headline: `Undecided for ${since}, and waiting for a person`,
      more: html`${why} It is asked no longer. Find out at the producer whether its local transaction took place; then commit or roll back, or have it asked again.`,
    };
  }
  const next =
    check.nextAt === null
      ? 'It will not be asked again.'
      : Date.parse(check.nextAt) > now
        ? `It is asked again ${distance(Date.parse(check.nextAt), now)}.`
        : 'It is due to be asked now.';
  if (check.lastError) {
    return {
      tone: 'warn',
      headline: `Undecided for ${since}`,
      more: html`${asked} gave no answer: <strong>${check.lastError}</strong>. ${next} Nothing is lost.`,
    };
  }
  const heard =
    check.attempts > 0
      ? html`${asked} answered “unknown” ${counted(check.attempts, 'time')}.`
      : html`${asked} was not asked yet.`;
  return { tone: 'wait', headline: `Undecided for ${since}`, more: html`${heard} ${next}` };
};

const committed = ({ messageStates, messages, resolvedBy }: TransactionDetail): Story => {
  const { parked = 0, ready = 0, discarded = 0, forwarded = 0 } = messageStates;
  const by = `by ${resolverWords(resolvedBy)}`;
  const all = messages.length;
  const errorOf = (state: string): string | null =>
    messages.find(message => message.state === state)?.lastError ?? null;
  if (parked > 0) {
    return {
      tone: 'warn',
      headline: `Committed ${by}; ${counted(parked, 'message')} of ${all} parked`,
      more: html`Kafka refuses: <strong>${errorOf('parked') ?? 'no reason given'}</strong>. Mend the cause and retry, or discard for ever.`,
    };
  }
  if (ready > 0) {
    const error = errorOf('ready');
    return {
      tone: error === null ? 'wait' : 'warn',
      headline: `Committed ${by}; ${counted(ready, 'message')} of ${all} not in Kafka yet`,
      more:
        error === null
          ? html`It is on its way.`
          : html`In its way: <strong>${error}</strong>. It is sent as soon as that is over; nothing is lost.`,
    };
  }
  if (discarded > 0)
    return {
      tone: 'bad',
      headline: `Committed ${by}; ${counted(discarded, 'message')} of ${all} discarded`,
      more: html`An operator gave up what was discarded. The other messages are in Kafka.`,
    };
  return {
    tone: 'good',
    headline: `Committed ${by}, and in Kafka`,
    more: forwarded > 1 ? html`All ${forwarded} messages were accepted by Kafka.` : null,
  };
};

/** `now`: ms since 1970, by the broker's clock. */
export const storyOf = (detail: TransactionDetail, now: number): Story => {
  if (detail.state === 'prepared') return undecided(detail, now);
  if (detail.state === 'committed') return committed(detail);
  return {
    tone: 'none',
    headline: `Rolled back by ${resolverWords(detail.resolvedBy)}`,
    more: html`Nobody has seen its messages, and nobody will.`,
  };
};
