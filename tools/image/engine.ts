/** What builds and runs images: docker or podman, or buildah where there is no engine that runs containers. */
import type { ChildProcess } from 'node:child_process';

/** A container that was started, its log on `child.stdout`. */
export interface Container {
  readonly child: ChildProcess;
  /** Where it can be reached from this machine. */
  readonly url: string;
  /** The user that its first process runs as. */
  user(): Promise<number>;
  /** Runs a command in it; rejects where that fails. */
  execute(command: readonly string[]): Promise<string>;
  /** Sends its first process the signal; `child` ends with its exit code. */
  signal(name: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Whatever is left of it. */
  remove(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  /** Builds the folder's Dockerfile, showing what it does. */
  build(tag: string, folder: string): Promise<void>;
  /** Megabytes, as the engine counts them. */
  size(tag: string): Promise<number>;
  healthCheck(tag: string): Promise<readonly string[]>;
  start(tag: string, environment: Readonly<Record<string, string>>): Promise<Container>;
}
