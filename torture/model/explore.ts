/** A program, so that a fault can be planted into the rules: explores the states of a transaction, and tells what it found. */
import { explore } from './resolution-graph.ts';

const POLICIES = { unresolved: { onLimit: 'unresolved' }, rollback: { onLimit: 'rollback' } } as const;

const [depth, messages] = process.argv.slice(2).map(Number);
const found = Object.entries(POLICIES).map(([name, policy]) => {
  const { cells, ...more } = explore(depth!, messages!, policy);
  return { name, ...more, cells: [...cells] };
});
console.log(JSON.stringify(found));
