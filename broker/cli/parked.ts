/** `escrowmq parked`: messages that Kafka refused, one by one. `attention` has them by error. */
import type { ParkedMessageBody } from '../protocol/wire.ts';
import type { Command } from './command.ts';
import { BROKER_FLAGS, type Flags } from './flags.ts';
import type { Input } from './input.ts';
import { PAGE_FLAGS, showList } from './paged-list.ts';
import { bytesText, toSecond } from './terminal-text.ts';

/** What parked messages are chosen by, also for acts on many. */
export const MESSAGE_FILTERS = {
  topic: { value: 'TOPIC', help: 'those for this topic' },
  group: { value: 'GROUP', help: 'those of a producer group' },
  'last-error': { value: 'TEXT', mayBeEmpty: true, help: 'those that were refused with exactly this' },
} as const satisfies Flags;

/** The flags that are given, as query parameters of `GET /v1/messages`. */
export const messageQuery = (input: Input): Record<string, string> => {
  const query: Record<string, string> = {};
  for (const [flag, parameter] of [
    ['topic', 'topic'],
    ['group', 'group'],
    ['last-error', 'lastError'],
  ] as const) {
    const text = input.text(flag);
    if (text !== null) query[parameter] = text;
  }
  return query;
};

export const parkedCommand: Command = {
  name: 'parked',
  does: 'messages that Kafka refused and a person decides about, the newest first',
  flags: { ...MESSAGE_FILTERS, ...PAGE_FLAGS, ...BROKER_FLAGS },
  more: `\`escrowmq attention\` counts them by error; retry and discard deal with them.`,
  examples: ['parked', 'parked --topic transfers --all', 'parked --follow'],
  async run(input, terminal) {
    const list = {
      path: '/v1/messages',
      query: { state: 'parked', ...messageQuery(input) },
      idOf: ({ id }: ParkedMessageBody) => id,
      nothing: 'No such message is parked.',
      columns: [
        { title: 'MESSAGE', of: ({ id }: ParkedMessageBody) => id },
        { title: 'GROUP', of: ({ group }: ParkedMessageBody) => group, isLoose: true },
        { title: 'TOPIC', of: ({ topic }: ParkedMessageBody) => topic, isLoose: true },
        { title: 'COMMITTED', of: ({ committedAt }: ParkedMessageBody) => toSecond(committedAt) },
        { title: 'SIZE', of: ({ payloadBytes }: ParkedMessageBody) => bytesText(payloadBytes) },
        { title: 'LAST ERROR', of: ({ lastError }: ParkedMessageBody) => lastError, isLoose: true },
      ] as const,
    };
    await showList(list, input, terminal);
    return 0;
  },
};
