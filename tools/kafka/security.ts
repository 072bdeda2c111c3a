/** A certificate authority, a server certificate and a user for a Kafka that is reached over SASL_SSL. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Properties } from './settings.ts';

export const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** What a client needs. The user is the same for every mechanism. */
export interface KafkaSecurity {
  readonly caFile: string;
  readonly username: string;
  readonly password: string;
  /** Holds the password and nothing else. */
  readonly passwordFile: string;
  readonly mechanisms: typeof MECHANISMS;
}

export interface ServerSecurity {
  readonly client: KafkaSecurity;
  readonly properties: Properties;
  /** For StorageTool: SCRAM users can exist before the first start. */
  readonly formatArguments: readonly string[];
}

const USERNAME = 'escrowmq';

const OPENSSL_CONFIG = `[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
`;

/** Makes everything in this folder, or reads what an earlier call made there. Throws if there is no `openssl`. */
export const makeSecurity = (folder: string): ServerSecurity => {
  const file = (name: string) => path.join(folder, name);
  if (!existsSync(file('server.pem'))) makeCertificates(folder);
  if (!existsSync(file('password'))) writeFileSync(file('password'), randomBytes(16).toString('hex'), { mode: 0o600 });
  const password = readFileSync(file('password'), 'utf8');
  const module = 'org.apache.kafka.common.security';
  return {
    client: {
      caFile: file('ca.pem'),
      username: USERNAME,
      password,
      passwordFile: file('password'),
      mechanisms: MECHANISMS,
    },
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': file('server.pem'),
      'sasl.enabled.mechanisms': MECHANISMS.join(',').toUpperCase(),
      'listener.name.sasl_ssl.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required user_${USERNAME}="${password}";`,
      'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    },
    formatArguments: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism => [
      '--add-scram',
      `${mechanism}=[name=${USERNAME},password=${password}]`,
    ]),
  };
};

const makeCertificates = (folder: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(folder, 'openssl.cnf'), OPENSSL_CONFIG);
  const tenYears = ['-days', '3650'];
  const newKey = ['-config', 'openssl.cnf', '-newkey', 'rsa:2048', '-nodes'];
  openssl(folder, [
    ...['req', '-x509', ...newKey, ...tenYears, '-subj', '/CN=escrowmq test authority'],
    ...['-extensions', 'authority', '-keyout', 'ca.key', '-out', 'ca.pem'],
  ]);
  openssl(folder, ['req', '-new', ...newKey, '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr']);
  openssl(folder, [
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', ...tenYears],
    ...['-sha256', '-extfile', 'openssl.cnf', '-extensions', 'server', '-out', 'server.crt'],
  ]);
  // Kafka reads key and chain from one file. It is written last: its presence says that all of this was done.
  const chain = ['server.key', 'server.crt', 'ca.pem'].map(name => readFileSync(path.join(folder, name), 'utf8'));
  writeFileSync(path.join(folder, 'server.pem'), chain.join(''), { mode: 0o600 });
  chmodSync(path.join(folder, 'ca.pem'), 0o644);
};

const openssl = (cwd: string, args: string[]): void => {
  const { error, status, stderr } = spawnSync('openssl', args, { cwd, encoding: 'utf8' });
  if (error) throw new Error(`SASL_SSL needs openssl on PATH to make certificates: ${error.message}`);
  if (status !== 0) throw new Error(`openssl ${args[0]} failed:\n${stderr.trim()}`);
};
