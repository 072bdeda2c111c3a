/** `npm run fence-reference`: writes the statements into docs/fence.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { statementsPart } from './fence-reference/statements.ts';
import { withPart } from './generated-part.ts';

const PAGE = 'docs/fence.md';

writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), 'statements', statementsPart()));
console.log(PAGE);
