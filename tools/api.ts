/** `npm run api`: writes the pages of docs/api. */
import { writeFileSync } from 'node:fs';
import { REFERENCES, reference } from './api/reference.ts';

for (const page of Object.keys(REFERENCES) as (keyof typeof REFERENCES)[]) {
  writeFileSync(page, await reference(page));
  console.log(page);
}
