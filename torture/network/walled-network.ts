/**
 * Two networks in which nobody else is, and a cable between them: this process is in the one, since it was started by
 * `unshare --net`, and whatever is started with `beyond` is in the other, behind a firewall of its own. No address of
 * them exists outside, and the kernel takes everything back when the last process in them has ended, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { runProgram } from '../disk/system-programs.ts';

const [NEAR, FAR] = ['10.0.0.1', '10.0.0.2'];

/** `drop`: nothing passes, and nobody is told; `reject`: connections break, and none can be made. */
export type Wall = 'drop' | 'reject';

export class WalledNetwork {
  /** Where programs behind the wall listen. */
  readonly address = FAR;
  /** To be put before the command line of a program: it runs behind the wall. */
  readonly beyond: readonly string[];
  /** Keeps the other network while nothing else is in it, and ends when this process does. */
  readonly #keeper: ChildProcess;

  static async make(): Promise<WalledNetwork> {
    // The word comes when it is in its network.
    const keeper = spawn('unshare', ['--net', 'sh', '-c', 'echo in; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(keeper.stdout, 'data');
    return new WalledNetwork(keeper);
  }

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
    this.beyond = ['nsenter', `--net=/proc/${keeper.pid}/ns/net`];
    runProgram('ip', ['link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(keeper.pid)]);
    runProgram('ip', ['address', 'add', `${NEAR}/30`, 'dev', 'near']);
    this.#runBeyond('ip', 'address', 'add', `${FAR}/30`, 'dev', 'far');
    for (const device of ['lo', 'near']) runProgram('ip', ['link', 'set', device, 'up']);
    for (const device of ['lo', 'far']) this.#runBeyond('ip', 'link', 'set', device, 'up');
  }

  build(wall: Wall): void {
    if (wall === 'reject') {
      this.#runBeyond(
        'iptables',
        '-A',
        'INPUT',
        '-i',
        'far',
        '-p',
        'tcp',
        '-j',
        'REJECT',
        '--reject-with',
        'tcp-reset',
      );
      return;
    }
    this.#runBeyond('iptables', '-A', 'INPUT', '-i', 'far', '-j', 'DROP');
    this.#runBeyond('iptables', '-A', 'OUTPUT', '-o', 'far', '-j', 'DROP');
  }

  open(): void {
    this.#runBeyond('iptables', '-F');
  }

  close(): void {
    this.#keeper.kill();
  }

  #runBeyond(...command: string[]): void {
    const [program, ...args] = [...this.beyond, ...command];
    runProgram(program!, args);
  }
}
