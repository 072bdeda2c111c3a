/**
 * Bank A sends money. The transfer is one local transaction {fence row, debit}; the message about it is stored at the
 * broker before, and committed after. Whatever dies in between, the broker asks `/escrow/check` of whichever instance is
 * there, and the fence row in the database gives the exact answer.
 *
 *   node bank-a.ts DATABASE BROKER_URL [PORT]
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Database from 'better-sqlite3';

const GROUP = 'bank-a';
const [file = '', brokerUrl = '', port = '0'] = process.argv.slice(2);

const openDatabase = (): Database.Database => {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  return db;
};
const db = openDatabase();
/** The check handler has a connection of its own: it must never see, or wait inside, an open local transaction. */
const checkDb = openDatabase();
db.exec(`
  CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT;
  CREATE TABLE IF NOT EXISTS escrow_fence (
    producer_group TEXT NOT NULL, transaction_id TEXT NOT NULL, branch TEXT NOT NULL, op TEXT NOT NULL,
    outcome TEXT NOT NULL, token TEXT NOT NULL, result TEXT, created_at TEXT NOT NULL, settled_at TEXT,
    PRIMARY KEY (producer_group, transaction_id, branch, op)) STRICT;
  INSERT OR IGNORE INTO accounts VALUES ('alice', 1000);
`);

const CLAIM = `INSERT INTO escrow_fence VALUES (?, ?, '', 'resolve', ?, ?, NULL, datetime('now'), NULL)`;
const READ = `SELECT outcome, token FROM escrow_fence WHERE producer_group = ? AND transaction_id = ? AND branch = '' AND op = 'resolve'`;
interface FenceRow {
  outcome: 'commit' | 'rollback';
  token: string;
}

/** Writes the verdict `rollback` unless the fence already has one, commits that, and returns what stands. */
const verdict = (id: string): FenceRow['outcome'] => {
  checkDb.prepare(`${CLAIM} ON CONFLICT DO NOTHING`).run(GROUP, id, 'rollback', randomUUID());
  return (checkDb.prepare(READ).get(GROUP, id) as FenceRow).outcome;
};

const call = async (path: string, body?: unknown): Promise<{ status: number; state: string }> => {
  const response = await fetch(`${brokerUrl}${path}`, {
    method: 'POST',
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const { state } = (await response.json()) as { state: string };
  return { status: response.status, state };
};

interface Transfer {
  id: string;
  amount: number;
  /** For the demo: die right after the local commit. */
  crash?: boolean;
}

const transfer = async ({ id, amount, crash }: Transfer): Promise<string> => {
  const payload = JSON.stringify({ to: 'bob', amount });
  const message = { topic: 'transfers', key: 'bob', payload, contentType: 'application/json', type: 'transfer.made' };
  const prepared = await call('/v1/transactions', { id, group: GROUP, messages: [message] });
  // Only this state lets a local transaction begin.
  if (prepared.state !== 'prepared') return `not begun: the broker answered ${prepared.status} ${prepared.state}`;
  const token = randomUUID();
  try {
    db.transaction(() => {
      db.prepare(CLAIM).run(GROUP, id, 'commit', token);
      db.prepare('UPDATE accounts SET balance = balance - ? WHERE name = ?').run(amount, 'alice');
      const mine = db.prepare(READ).get(GROUP, id) as FenceRow | undefined;
      if (mine?.outcome !== 'commit' || mine.token !== token) throw new Error('the fence row is not ours');
    }).immediate();
  } catch (error) {
    // The local transaction is rolled back. What the broker is told comes from the fence, never from this catch.
    const resolution = verdict(id);
    await call(`/v1/transactions/${id}/${resolution}`);
    return `${resolution === 'rollback' ? 'rolled back' : 'committed before'}: ${(error as Error).message}`;
  }
  if (crash) process.kill(process.pid, 'SIGKILL');
  await call(`/v1/transactions/${id}/commit`);
  return 'committed';
};

const read = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

const server = createServer(async (request, response) => {
  const text = await read(request);
  let answer: unknown;
  if (request.url === '/transfer') {
    answer = { outcome: await transfer(JSON.parse(text)) };
  } else if (request.url === '/balance') {
    answer = db.prepare('SELECT balance FROM accounts').get();
  } else if (request.url === '/escrow/check') {
    const asked = JSON.parse(text) as { group: string; checks: { transactionId: string }[] };
    if (asked.group !== GROUP) {
      response.statusCode = 409;
      answer = { error: `this is ${GROUP}` };
    } else {
      const resolutions = asked.checks.map(({ transactionId }) => ({
        transactionId,
        resolution: verdict(transactionId),
      }));
      for (const { transactionId, resolution } of resolutions)
        console.log(`asked about ${transactionId}: ${resolution}`);
      answer = { group: GROUP, resolutions };
    }
  } else response.statusCode = 404;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer ?? {}));
});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`));
