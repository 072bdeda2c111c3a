/** `escrowmq serve`: what help says of it. The broker itself is main's to run. */
import { settingFlags } from '../config.ts';
import type { Command } from './command.ts';

export const serveCommand = (serve: (settings: string[]) => Promise<void>): Command => ({
  name: 'serve',
  does: 'runs the broker',
  flags: settingFlags(),
  more: `Each flag is also an environment variable: --data-dir is ESCROWMQ_DATA_DIR. Times are written 500ms, 10s, 10m, 72h.
SIGTERM and Ctrl-C: nothing new is accepted, what is in hand is finished, it ends within 10 s.`,
  examples: [
    'serve --publisher memory',
    'serve --kafka-brokers kafka-1:9092,kafka-2:9092 --data-dir /var/lib/escrowmq',
  ],
  isRaw: true,
  async run({ args }) {
    await serve([...args]);
    return 0;
  },
});
