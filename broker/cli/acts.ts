/** `escrowmq acts`: what operators did. */
import type { ActBody } from '../protocol/wire.ts';
import type { Command } from './command.ts';
import { BROKER_FLAGS, type Flags } from './flags.ts';
import { PAGE_FLAGS, showList } from './paged-list.ts';
import { toSecond } from './terminal-text.ts';

const ACTS = ['commit', 'rollback', 'check', 'retry', 'discard', 'create_key', 'revoke_key', 'put_group', 'backup'];

const FILTERS = {
  act: { value: 'ACT', choices: ACTS, help: `one of ${ACTS.join(', ')}` },
  by: { value: 'WHO', help: '"operator" (the key from outside, or nobody’s) or "operator:" and the prefix of a key' },
  group: { value: 'GROUP', help: 'what was done to a producer group or its transactions' },
  target: { value: 'ID', help: 'what was done to this transaction, message, key prefix or producer group' },
  since: { value: 'TIME', help: 'at or after a time like 2026-11-21T10:00:00Z, or so long ago: 30m, 2h, 7d' },
  until: { value: 'TIME', help: 'before it' },
} as const satisfies Flags;

export const actsCommand: Command = {
  name: 'acts',
  does: 'what operators did and why, the newest first',
  flags: { ...FILTERS, ...PAGE_FLAGS, ...BROKER_FLAGS },
  examples: ['acts --since 24h', 'acts --target transfer-42', 'acts --act discard --all --json', 'acts --follow'],
  async run(input, terminal) {
    const query: Record<string, string> = {};
    for (const flag of Object.keys(FILTERS)) {
      const text = flag === 'since' || flag === 'until' ? input.instant(flag, 'before') : input.text(flag);
      if (text !== null) query[flag] = text;
    }
    const list = {
      path: '/v1/acts',
      query,
      idOf: ({ id }: ActBody) => String(id),
      nothing: 'There is no such act.',
      columns: [
        { title: 'AT', of: ({ at }: ActBody) => toSecond(at) },
        { title: 'ACT', of: ({ act }: ActBody) => act },
        { title: 'TARGET', of: ({ target }: ActBody) => target },
        { title: 'GROUP', of: ({ group }: ActBody) => group, isLoose: true },
        { title: 'BY', of: ({ by }: ActBody) => by },
        { title: 'REASON', of: ({ reason }: ActBody) => reason, isLoose: true },
      ] as const,
    };
    await showList(list, input, terminal);
    return 0;
  },
};
