/** Certificates for the broker's own port, made by openssl: an authority, a server, and keys that do not fit. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeSecurity } from '../../tools/kafka/security.ts';

export interface Certificates {
  /** PEM. */
  readonly ca: string;
  readonly caFile: string;
  /** For localhost and 127.0.0.1. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Of another certificate. */
  readonly otherKeyFile: string;
  /** The server's, behind a passphrase. */
  readonly lockedKeyFile: string;
}

const openssl = (args: readonly string[]) => spawnSync('openssl', args, { encoding: 'utf8' });

/** For tests that cannot be had without it. */
export const noOpenssl: { skip?: string } = openssl(['version']).status === 0 ? {} : { skip: 'there is no openssl' };

/** In an empty folder. Those of the Kafka that is reached over TLS serve here too. */
export const makeCertificates = (folder: string): Certificates => {
  const { client } = makeSecurity(folder);
  const [keyFile, lockedKeyFile] = [join(folder, 'server.key'), join(folder, 'locked.key')];
  const locked = openssl(['pkey', '-in', keyFile, '-aes256', '-passout', 'pass:secret', '-out', lockedKeyFile]);
  if (locked.status !== 0) throw new Error(`openssl pkey failed: ${locked.stderr}`);
  return {
    ca: readFileSync(client.caFile, 'utf8'),
    caFile: client.caFile,
    certFile: join(folder, 'server.crt'),
    keyFile,
    otherKeyFile: join(folder, 'ca.key'),
    lockedKeyFile,
  };
};
