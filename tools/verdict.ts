/**
 * Loaded into every test file by tools/test.ts. A test that never settles ends its process as soon as nothing is left to
 * wait for; under node's runner tap then exits with 0, and what it tells may not leave the pipe any more. So the process
 * itself says that it did not come to its end.
 */
import { isMainThread } from 'node:worker_threads';

// Threads of what is tested load this, too: tap would speak in their name, to whoever waits for a message of theirs.
if (isMainThread) {
  const { default: t } = await import('tap');
  process.once('beforeExit', () => {
    if (t.results === undefined) process.exit(1);
  });
}
