/** `escrowmq dev`: a broker to try things on, and a service that uses it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from '../pause.ts';
import type { Command } from './command.ts';
import { type Ending, SAMPLE_GROUP, SampleService } from './sample-service.ts';

/** A broker in this process. */
export interface OwnBroker {
  readonly address: string;
  stop(withinMs: number): Promise<void>;
}

const DEFAULT_PORT = 7400;
const EVERY_MS = 500;
const STOP_WITHIN_MS = 5_000;

/** Most go well; the first one stays for a person. */
const FIRST: Ending = 'knows nothing';
const ROUND: readonly Ending[] = [
  'commits',
  'commits',
  'rolls back',
  'dies after its commit',
  'commits',
  'dies before its commit',
];

const invitation = (address: string, where: string): string => {
  const url = address === `http://127.0.0.1:${DEFAULT_PORT}` ? '' : ` --url ${address}`;
  return `A broker without Kafka: ${address}, data in ${where}.
The operators’ pages:    ${address}/console

A sample service, producer group "${SAMPLE_GROUP}", makes two orders a second. Most commit, some roll back, some die halfway and
the broker asks what became of them; the first one stays unresolved. In another terminal, try:

  escrowmq list --follow${url}
  escrowmq attention${url}
  escrowmq commit --all --unresolved --group ${SAMPLE_GROUP} --reason "looked into"${url}

Ctrl-C ends it.
`;
};

/** `start`: a broker with the settings of `serve`; it ends the process where it cannot be had. */
export const devCommand = (start: (settings: string[]) => Promise<OwnBroker>): Command => ({
  name: 'dev',
  does: 'runs a broker without Kafka, and a sample service that uses it',
  flags: {
    port: { value: 'PORT', help: `port to listen on; 0: any free one, printed (default ${DEFAULT_PORT})` },
    'data-dir': { value: 'FOLDER', help: 'where everything is kept (default: a temporary folder, removed at the end)' },
  },
  more: `The service is broker/cli/sample-service.ts: what a producer does, in a hundred lines. Records are in memory:
GET /v1/memory/records. It listens on 127.0.0.1 alone.`,
  examples: ['dev', 'dev --port 0 --data-dir ./try'],
  async run(input, terminal) {
    const { interrupted } = terminal;
    const port = input.integer('port', 0, 65_535) ?? DEFAULT_PORT;
    const given = input.text('data-dir');
    const folder = given ?? mkdtempSync(join(tmpdir(), 'escrowmq-dev-'));
    // Whatever ends the process, except a kill.
    const clean = (): void => {
      if (given === null) rmSync(folder, { recursive: true, force: true });
    };
    process.once('exit', clean);
    const broker = await start(['--publisher=memory', '--host=127.0.0.1', `--port=${port}`, `--data-dir=${folder}`]);
    const service = new SampleService({ url: broker.address, key: null });
    try {
      await service.start();
      await terminal.write(invitation(broker.address, given ?? `${folder} (removed at the end)`));
      await service.order(FIRST);
      for (let i = 0; !interrupted.aborted; i++) {
        await service.order(ROUND[i % ROUND.length]!);
        await pause(EVERY_MS, interrupted);
      }
    } finally {
      await broker.stop(STOP_WITHIN_MS);
      await service.stop();
      clean();
    }
    return 0;
  },
});
