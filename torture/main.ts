/** `npm run torture`: the promises put to the test. Exit code 0 held, 1 broken, 2 wrong use. */

import { renderSheet } from './promise-sheet.ts';
import { PROOFS_HELP, proofsCommand } from './proofs-command.ts';
import { TWO_BANKS_HELP, twoBanksCommand } from './two-banks-command.ts';

const HELP = `${PROOFS_HELP}
${TWO_BANKS_HELP}
  npm run torture -- render       writes docs/reliability.md anew from torture/results
`;

const render = async (): Promise<number> => {
  renderSheet();
  return 0;
};

const run = ([command, ...args]: string[]): Promise<number> => {
  if (command === 'two-banks') return twoBanksCommand(args);
  return command === 'render' ? render() : proofsCommand([command!, ...args]);
};

const main = async (args: string[]): Promise<number> => {
  if (args.includes('--help') || args.length === 0) {
    console.log(HELP);
    return args.length === 0 ? 2 : 0;
  }
  try {
    return await run(args);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!(error instanceof RangeError || code?.startsWith('ERR_PARSE_ARGS'))) throw error;
    console.error(`${message}\n\n${HELP}`);
    return 2;
  }
};

process.exitCode = await main(process.argv.slice(2));
