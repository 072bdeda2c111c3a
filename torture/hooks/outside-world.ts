/**
 * Loaded into a broker before it begins: names lead where a file says, every look-up and every attempt to connect is
 * written down, and what is not this machine's own loopback is never really called but leads to a trap.
 */
import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { appendFileSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { BlockList, isIP, Socket } from 'node:net';
import { type Answers, type Sighting, settingsOf } from '../check-addresses/outside-world.ts';

const { namesFile, sightingsFile, trapPort } = settingsOf(import.meta.url);
const asked = new Map<string, number>();

const write = (sighting: Sighting): void => appendFileSync(sightingsFile, `${JSON.stringify(sighting)}\n`);

/** The answer to the next look-up of this name; the last one is repeated. */
const resolve = (name: string): LookupAddress[] => {
  if (isIP(name) !== 0) return [{ address: name, family: isIP(name) }];
  const { names, others } = JSON.parse(readFileSync(namesFile, 'utf8')) as Answers;
  const answers = names[name.toLowerCase().replace(/\.$/, '')] ?? [others];
  const count = asked.get(name) ?? 0;
  asked.set(name, count + 1);
  const addresses = answers[Math.min(count, answers.length - 1)]!;
  write({ what: 'look-up', name, addresses });
  return addresses.map(address => ({ address, family: isIP(address) }));
};

type Callback = (error: Error | null, address: LookupAddress[] | string, family?: number) => void;

const lookup = (name: string, options: LookupOptions | number | Callback, callback?: Callback): void => {
  const answer = typeof options === 'function' ? options : callback!;
  const found = resolve(name);
  process.nextTick(() => {
    if (typeof options === 'object' && options.all === true) answer(null, found);
    else answer(null, found[0]!.address, found[0]!.family);
  });
};
const lookupLater = async (name: string, options?: LookupOptions): Promise<LookupAddress | LookupAddress[]> => {
  const found = resolve(name);
  return options?.all === true ? found : found[0]!;
};
Object.assign(dns, { lookup });
Object.assign(dns.promises, { lookup: lookupLater });
syncBuiltinESMExports();

/** What is safe to call for real. */
const OWN = new BlockList();
OWN.addSubnet('127.0.0.0', 8, 'ipv4');
OWN.addSubnet('0.0.0.0', 32, 'ipv4');
OWN.addSubnet('::', 127, 'ipv6');

const { connect } = Socket.prototype;
Socket.prototype.connect = function (this: Socket, ...args: Parameters<typeof connect>): Socket {
  const [first] = args as readonly unknown[];
  const given = Array.isArray(first) ? first[0] : first;
  const options = given as { host?: string; port?: number };
  const family = isIP(options.host ?? '');
  if (family !== 0 && !OWN.check(options.host!, family === 4 ? 'ipv4' : 'ipv6')) {
    write({ what: 'call', address: options.host!, port: Number(options.port) });
    Object.assign(options, { host: '127.0.0.1', port: trapPort });
  }
  this.on('connectionAttempt', (address, port) => write({ what: 'call', address, port }));
  return connect.apply(this, args);
} as typeof connect;
