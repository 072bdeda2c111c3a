/** What counts as this machine's own: decides whether keys and secrets are required. */
import { BlockList, isIP } from 'node:net';

export const LOOPBACK_NETWORKS = ['127.0.0.0/8', '::1'] as const;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** A host as URLs write it, without the brackets of IPv6 and the dot that ends a full name. */
export const bareHost = (host: string): string => host.replace(/^\[|\]$/g, '').replace(/\.$/, '');

/** Whether the host (name or address, as in a URL or in `--host`) is this machine's loopback. */
export const isLoopbackHost = (host: string): boolean => {
  const name = bareHost(host.toLowerCase());
  const family = isIP(name);
  if (family === 0) return name === 'localhost';
  return !name.includes('%') && LOOPBACK.check(name, family === 4 ? 'ipv4' : 'ipv6');
};

/** Whether a check address leads to loopback, so that no secret is required. False where it is no URL at all. */
export const isLoopbackUrl = (url: string): boolean => URL.canParse(url) && isLoopbackHost(new URL(url).hostname);
