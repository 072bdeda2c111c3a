/** A process of the demo: started, watched line by line, ended with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const READY_WITHIN_MS = 30_000;
/** kafkajs arms timers with times in the past, which is harmless; newer Nodes warn about it. */
const QUIET = '--disable-warning=TimeoutNegativeWarning';

export class Service {
  readonly #onLine: (line: string) => void;
  readonly #child: ChildProcess;
  url = '';

  private constructor(child: ChildProcess, onLine: (line: string) => void) {
    this.#child = child;
    this.#onLine = onLine;
  }

  /** Starts Node with these arguments. Resolves when the program has said where it listens. `onLine` gets every line that it prints later. */
  static async start(command: string[], onLine: (line: string) => void): Promise<Service> {
    const child = spawn(process.execPath, [QUIET, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    const program = command.find(word => /\.[jt]s$/.test(word));
    const service = new Service(child, onLine);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${program} did not start`)), READY_WITHIN_MS);
      child.once('exit', code => reject(new Error(`${program} ended with ${code}`)));
      createInterface({ input: child.stdout! }).on('line', line => {
        const address = Service.#address(line);
        if (service.url === '' && address) {
          service.url = address;
          clearTimeout(timer);
          resolve();
        } else if (service.url !== '') service.#onLine(line);
      });
    });
    return service;
  }

  /** From the banks' own words, or from the broker's log line with event `listening`. */
  static #address(line: string): string | null {
    const address = /^listening (http:\S+)$/.exec(line)?.[1];
    if (address) return address;
    if (!line.startsWith('{')) return null;
    const { event, address: said } = JSON.parse(line) as { event?: string; address?: string };
    return event === 'listening' ? (said ?? null) : null;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async ended(): Promise<void> {
    if (this.isRunning) await once(this.#child, 'exit');
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.isRunning) this.#child.kill(signal);
    await this.ended();
  }
}
