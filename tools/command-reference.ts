/** `npm run command-reference`: writes the help of every command into docs/commands.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { commandsPart } from './command-reference/commands.ts';
import { withPart } from './generated-part.ts';

const PAGE = 'docs/commands.md';

writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), 'commands', commandsPart()));
console.log(PAGE);
