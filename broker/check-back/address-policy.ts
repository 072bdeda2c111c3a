/**
 * Which addresses a check-back may call. A group's address is written by whoever runs the producer, so it must not
 * become a way into the broker's network: only what the operator named is called. Literals are judged as written,
 * names by name or, when they are resolved, by where they lead (guarded-lookup.ts).
 */
import { BlockList, isIP } from 'node:net';
import { bareHost as bare, isLoopbackHost, LOOPBACK_NETWORKS } from '../protocol/loopback.ts';

const NAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

/** IPv4 in the clothes of IPv6: the system connects to the IPv4 address inside. */
const IPV4_MAPPED = new BlockList();
IPV4_MAPPED.addSubnet('::ffff:0:0', 96, 'ipv6');

/**
 * Networks of both families. Kept apart, because one BlockList lets `::/0` match IPv4 too, and an operator who allows
 * all of IPv6 has not allowed 10.0.0.1.
 */
class Networks {
  readonly #v4 = new BlockList();
  readonly #v6 = new BlockList();
  #empty = true;

  get empty(): boolean {
    return this.#empty;
  }

  /** Takes `10.0.0.0/8`, `fd00::/8` or one address, each written in full. False where it is none of these. */
  add(network: string): boolean {
    const [address = '', bits, ...rest] = network.split('/');
    const family = isIP(address);
    const width = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || rest.length > 0 || !(prefix <= width) || address.includes('%')) return false;
    if (family === 6 && IPV4_MAPPED.check(address, 'ipv6')) return false;
    if (family === 4) this.#v4.addSubnet(address, prefix, 'ipv4');
    else this.#v6.addSubnet(address, prefix, 'ipv6');
    this.#empty = false;
    return true;
  }

  has(address: string): boolean {
    const family = isIP(address);
    if (family === 4) return this.#v4.check(address, 'ipv4');
    if (family === 0 || address.includes('%')) return false;
    return (IPV4_MAPPED.check(address, 'ipv6') ? this.#v4 : this.#v6).check(address, 'ipv6');
  }
}

export class AddressPolicy {
  readonly #names = new Set<string>();
  readonly #networks = new Networks();

  /**
   * `entries` are host names, IP addresses and CIDRs. With none, loopback is allowed to a broker that itself is bound
   * to loopback (`brokerHost`), and nothing to any other. Throws a RangeError that names every entry it cannot read.
   */
  constructor(entries: readonly string[], brokerHost: string) {
    const chosen = entries.length > 0 ? entries : isLoopbackHost(brokerHost) ? LOOPBACK_NETWORKS : [];
    const faults = chosen.filter(entry => !this.#allow(entry));
    if (faults.length > 0) {
      const list = faults.map(fault => JSON.stringify(fault)).join(', ');
      throw new RangeError(`neither a host name nor an IP address or CIDR written in full: ${list}`);
    }
  }

  /** Null where the address may be called, or can only be judged once its name is resolved; else a sentence why not. */
  judgeUrl(text: string): string | null {
    if (!URL.canParse(text)) return 'The check address is not a URL.';
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'The check address must be an http or https URL.';
    if (url.username !== '' || url.password !== '') return 'The check address must not carry credentials.';
    if (url.href.includes('#')) return 'The check address must not have a fragment.';
    const host = bare(url.hostname);
    if (isIP(host) !== 0) return this.allowsAddress(host) ? null : refusal(host);
    if (!NAME.test(host)) return 'The check address has no usable host name.';
    return this.allowsName(host) || !this.#networks.empty ? null : refusal(host);
  }

  /** Whether the name is allowed as a name, wherever it leads. */
  allowsName(name: string): boolean {
    return this.#names.has(bare(name));
  }

  /** Whether an IP address lies in an allowed network. */
  allowsAddress(address: string): boolean {
    return this.#networks.has(address);
  }

  #allow(entry: string): boolean {
    if (this.#networks.add(bare(entry))) return true;
    const name = bare(entry.toLowerCase());
    // A URL would read a name such as `10` or `0x7f.1` as an address: whoever wrote it meant something else.
    if (!NAME.test(name) || !URL.canParse(`http://${name}`) || new URL(`http://${name}`).hostname !== name)
      return false;
    this.#names.add(name);
    return true;
  }
}

const refusal = (host: string): string =>
  `The broker may not call ${host}: it is not on its allow-list (--check-allow).`;
