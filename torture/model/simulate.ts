/**
 * A program, so that a fault can be planted into the broker's parts and the timers of the process can be replaced:
 * `simulate.ts random FIRST COUNT` lives that many worlds, `simulate.ts dead SEED HOURS TRANSACTIONS` one of dead
 * producers. Ends with the first world in which something is wrong, and tells what it found.
 */
import { type Lived, simulate } from './simulation.ts';
import { deadWorld, drawWorld } from './world-plan.ts';

const [kind, ...given] = process.argv.slice(2);
const [first = 0, second = 0, third = 0] = given.map(Number);

const began = performance.now();
const count = kind === 'dead' ? 1 : second;
const lives: Lived[] = [];
for (let i = 0; i < count; i++) {
  const lived = await simulate(kind === 'dead' ? deadWorld(first, second, third) : drawWorld(first + i));
  lives.push(lived);
  if (lived.anomalies.length > 0) break;
}
const sum = (name: keyof Lived['counts']): number => lives.reduce((all, { counts }) => all + counts[name], 0);
console.log(
  JSON.stringify({
    worlds: lives.length,
    virtualMs: lives.reduce((all, { virtualMs }) => all + virtualMs, 0),
    tookMs: Math.round(performance.now() - began),
    looks: sum('looks'),
    powerCuts: sum('powerCuts'),
    asked: sum('asked'),
    records: sum('records'),
    accepted: sum('accepted'),
    digest: lives.map(({ digest }) => digest).join(' '),
    anomalies: lives.flatMap(({ anomalies }) => anomalies),
  }),
);
