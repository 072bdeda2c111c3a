/** The settings of TLS on the broker's own port: files that fit, and a sentence for each way in which they do not. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, readConfig } from '../../broker/config.ts';
import { type Certificates, makeCertificates, noOpenssl } from '../support/certificates.ts';
import { temporaryFolder } from '../support/store.ts';

let certificates: Certificates;
t.before(() => {
  if (!noOpenssl.skip) certificates = makeCertificates(temporaryFolder(t));
});

const read = (cert: string | null, key: string | null) => {
  const files = [...(cert ? ['--tls-cert-file', cert] : []), ...(key ? ['--tls-key-file', key] : [])];
  return readConfig(['--publisher', 'memory', ...files], {});
};

const mistakesOf = (cert: string | null, key: string | null): readonly string[] => {
  try {
    read(cert, key);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
};

t.test('files that fit; none at all is plain HTTP', noOpenssl, async t => {
  const { certFile, keyFile, ca } = certificates;
  const [cert, key] = [certFile, keyFile].map(file => readFileSync(file, 'utf8')) as [string, string];
  t.same(read(certFile, keyFile).tls, { cert, key });
  t.equal(read(null, null).tls, null);
  const chainFile = join(temporaryFolder(t), 'chain.pem');
  writeFileSync(chainFile, cert + ca);
  t.same(read(chainFile, keyFile).tls, { cert: cert + ca, key }, 'with what links it to its authority');
});

t.test('files that do not fit: one sentence each', noOpenssl, async t => {
  const { certFile, keyFile, otherKeyFile, lockedKeyFile, caFile } = certificates;
  const empty = join(temporaryFolder(t), 'empty');
  writeFileSync(empty, '\n');
  for (const [cert, key, sentence] of [
    [certFile, null, /--tls-cert-file and --tls-key-file belong together/],
    [null, keyFile, /belong together/],
    [certFile, '/nowhere/key.pem', /--tls-key-file: \/nowhere\/key\.pem cannot be read \(ENOENT\)/],
    [empty, keyFile, /--tls-cert-file: .*empty is empty/],
    [keyFile, keyFile, /--tls-cert-file holds no certificate in PEM/],
    [certFile, caFile, /--tls-key-file holds no private key in PEM/],
    [certFile, lockedKeyFile, /locked by a passphrase/],
    [certFile, otherKeyFile, /does not belong to the first certificate/],
    [caFile, keyFile, /does not belong to the first certificate/],
  ] as const) {
    const mistakes = mistakesOf(cert, key);
    t.match(mistakes, [sentence]);
    t.equal(mistakes.length, 1, mistakes.join(' '));
  }
});
