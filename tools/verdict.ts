/**
 * Loaded into every test file by tools/test.ts. A test that never settles ends its process as soon as nothing is left to
 * wait for; under node's runner tap then exits with 0, and what it tells may not leave the pipe any more. So the process
 * itself says that it did not come to its end.
 */
import t from 'tap';

process.once('beforeExit', () => {
  if (t.results === undefined) process.exit(1);
});
