/** Form (b): the tool's own transaction between the producer's `prepare` and `settle`. */
import type { MessageDraft, Producer } from '@escrowmq/producer';

/**
 * `run` begins and ends the transaction: `fence.claim` is its first statement, `verify` its last. Resolves when it has
 * committed, now or in an earlier call with this id; rejects with what `run` rejected with when it is rolled back.
 */
export const inOwnTransaction = async (
  producer: Pick<Producer<unknown>, 'prepare' | 'settle'>,
  draft: { readonly id: string; readonly messages: MessageDraft[] },
  run: () => Promise<unknown>,
): Promise<void> => {
  let failure: unknown = new Error(`${draft.id} was rolled back before: another try needs another id.`);
  const { state } = await producer.prepare(draft);
  // Only this answer lets a transaction begin.
  if (state === 'prepared') {
    try {
      await run();
    } catch (error) {
      failure = error;
    }
  }
  // The fence decides, not what the tool said: a COMMIT whose answer was lost may have happened.
  const { outcome } = await producer.settle(draft.id);
  if (outcome === 'rolled_back') throw failure;
};
