/** Blocks of the documentation that are not run, each with its reason; and those that go on until Ctrl-C. */
import type { Exception, Terminal } from './page.ts';

export const EXCEPTIONS: readonly Exception[] = [
  { page: 'docs/start.md', begins: 'npm ci', why: 'Whoever runs tests has done it.' },
  { page: 'docs/runbooks.md', begins: 'export ESCROWMQ_URL', why: 'It names the reader’s own broker and key.' },
  {
    page: 'docs/start.md',
    begins: 'npm run kafka',
    why: 'The Kafka of the tests stands in; kafka-launcher.test.ts runs it.',
  },
];

/** Brokers are known without being named here. */
export const TERMINALS: readonly Terminal[] = [
  { page: 'examples/transfer/README.md', begins: 'node examples/transfer/bank-a.ts', ready: /^listening http/m },
  { page: 'examples/transfer/README.md', begins: 'node examples/transfer/bank-b.ts', ready: /^listening http/m },
  { page: 'examples/python-by-hand/README.md', begins: 'python3 examples', ready: /^listening http/m },
  { page: 'docs/start.md', begins: 'node examples/transfer/bank-a.ts', ready: /^listening http/m },
  { page: 'docs/start.md', begins: 'node --import ./examples/transfer/power-cut.ts', ready: /^listening http/m },
  { page: 'docs/start.md', begins: 'node look.mjs', ready: /^transfer-5\.0: \{"amount":100\} for bob$/m },
];
