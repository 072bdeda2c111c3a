/** The table of all commands, in the order of help. Dispatch, help, completion and docs/commands.md are made of it. */
import { ACT_COMMANDS } from './act.ts';
import { actsCommand } from './acts.ts';
import { attentionCommand } from './attention.ts';
import { backupCommand } from './backup.ts';
import type { Command } from './command.ts';
import { completionCommand } from './completion.ts';
import { devCommand, type OwnBroker } from './dev.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { GROUP_COMMANDS } from './groups.ts';
import { KEY_COMMANDS } from './keys.ts';
import { listCommand } from './list.ts';
import { parkedCommand } from './parked.ts';
import { serveCommand } from './serve.ts';
import { showCommand } from './show.ts';
import { statusCommand } from './status.ts';

/** What those commands need that run a broker in this process. Settings are those of `serve`, as arguments. */
export interface Runners {
  /** Resolves when it listens; it ends with the process. */
  serve(settings: string[]): Promise<void>;
  /** Without a log, and without settings from the environment. */
  startToTry(settings: string[]): Promise<OwnBroker>;
}

export const commandTable = (runners: Runners): readonly Command[] => {
  const table: readonly Command[] = [
    serveCommand(runners.serve),
    devCommand(runners.startToTry),
    doctorCommand,
    statusCommand,
    attentionCommand,
    listCommand,
    showCommand,
    parkedCommand,
    ...ACT_COMMANDS,
    ...GROUP_COMMANDS,
    actsCommand,
    ...KEY_COMMANDS,
    backupCommand,
    completionCommand(() => table),
  ];
  return table;
};
