/** `escrowmq backup`: a consistent copy of a running broker's store, as a file. */
import { existsSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type BrokerAddress, CallError, noAnswer, refusalIn, requestBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS, REASON } from './flags.ts';
import type { Terminal } from './terminal.ts';
import { bytesText, jsonLine, plain } from './terminal-text.ts';

/** How every SQLite database begins. */
const HEADER = Buffer.from('SQLite format 3\0', 'latin1');
/** How long the broker may take to make the copy, and then keep us waiting for a further part of it. */
const MADE_WITHIN_MS = 3_600_000;
const STALLED_MS = 60_000;
const PRIVATE = 0o600;

/** Aborts when nothing happens for too long, or somebody interrupts. */
const watchdog = (interrupted: AbortSignal) => {
  const stall = new AbortController();
  const over = (ms: number): NodeJS.Timeout =>
    setTimeout(() => stall.abort(new Error(`nothing came for ${ms / 1_000} s`)), ms);
  let timer = over(MADE_WITHIN_MS);
  return {
    signal: AbortSignal.any([stall.signal, interrupted]),
    seen: (): void => {
      clearTimeout(timer);
      timer = over(STALLED_MS);
    },
    end: (): void => clearTimeout(timer),
  };
};

/** The copy is made before the first byte of the answer: that may take longer than fetch is willing to wait by itself. */
const patientFetch = async (): Promise<typeof fetch> => {
  const { Agent, fetch: fetchOf } = await import('undici');
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  return ((url: string, init: object) => fetchOf(url, { ...init, dispatcher })) as typeof fetch;
};

const createPart = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path, 'wx', PRIVATE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new CallError(`${path} is there: another backup is being written, or one was cut off. Remove it.`);
    throw new CallError(`${path} cannot be written (${code}).`);
  }
};

const append = async (file: FileHandle, chunk: Uint8Array): Promise<void> => {
  try {
    await file.writeFile(chunk);
  } catch (error) {
    throw new CallError(`The copy cannot be written (${(error as NodeJS.ErrnoException).code}).`);
  }
};

/** Everything that comes, on the disk. Resolves with the number of bytes. */
const receive = async (
  broker: BrokerAddress,
  reason: string,
  file: FileHandle,
  terminal: Terminal,
): Promise<number> => {
  const dog = watchdog(terminal.interrupted);
  try {
    terminal.progress('The broker makes the copy');
    const call = await patientFetch();
    const response = await requestBroker(broker, 'POST', '/v1/backup', { reason }, dog.signal, call);
    if (!response.ok) throw await refusalIn(broker, response, 'POST /v1/backup');
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    if (!Number.isSafeInteger(length)) throw new CallError('The broker does not say how long the copy is.');
    let received = 0;
    let head = Buffer.alloc(0);
    try {
      for await (const chunk of response.body!) {
        dog.seen();
        if (head.length < HEADER.length) head = Buffer.concat([head, chunk]).subarray(0, HEADER.length);
        await append(file, chunk);
        received += chunk.length;
        terminal.progress(`${bytesText(received)} of ${bytesText(length)}`);
      }
    } catch (error) {
      throw error instanceof CallError ? error : noAnswer(broker.url, error);
    }
    if (received !== length) throw new CallError(`${received} bytes came instead of ${length}: the copy is not whole.`);
    if (!head.equals(HEADER)) throw new CallError('What came is no SQLite database.');
    await file.sync();
    return received;
  } finally {
    dog.end();
    terminal.progress(null);
  }
};

/** The name is there after a power cut, too. */
const syncFolderOf = async (path: string): Promise<void> => {
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
};

export const backupCommand: Command = {
  name: 'backup',
  operands: 'FILE',
  does: 'copies a running broker’s store into a file',
  flags: { reason: REASON, ...BROKER_FLAGS },
  more: `The copy is whole and of one moment. It is written to FILE.part, checked, flushed and only then called FILE; a file that
is there is never overwritten. Payloads are in it: it can be read by its owner alone, and should stay so.

To restore: stop the broker, put the copy into an empty data folder as escrowmq.db, start. What was acknowledged
after the copy is missing then, is asked about again, and may be forwarded again under the same ids.`,
  examples: ['backup /backup/escrowmq-monday.db --reason "nightly"'],
  async run(input, terminal) {
    const path = input.operands[0]!;
    const reason = input.needed('reason', 'why');
    const broker = brokerAddress(input, terminal);
    if (existsSync(path)) throw new CallError(`${path} is there already, and is not overwritten.`);
    const part = `${path}.part`;
    const file = await createPart(part);
    let bytes: number;
    try {
      bytes = await receive(broker, reason, file, terminal);
      if (existsSync(path)) throw new CallError(`${path} was made meanwhile, and is not overwritten.`);
      await rename(part, path);
    } catch (error) {
      await unlink(part);
      throw error;
    } finally {
      await file.close();
    }
    await syncFolderOf(path);
    const isJson = input.isSet('json');
    await terminal.write(isJson ? jsonLine({ file: path, bytes }) : `${plain(path)}: ${bytesText(bytes)}.\n`);
    return 0;
  },
};
