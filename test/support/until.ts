/** Waiting on an event that nothing announces. */
import { clock } from '../../broker/clock.ts';

/** Resolves once the condition holds, whatever time that takes the machine; fails after a minute. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = clock.monotonic() + 60_000;
  while (!(await condition())) {
    if (clock.monotonic() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
};
