/** The three packages as they would be published, packed from a copy of their sources: the checkout stays as it is. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { run } from './command.ts';

export const PACKAGES = ['broker', 'producer-sdk', 'consumer-sdk'] as const;
export type PackageFolder = (typeof PACKAGES)[number];

/** What the packages are made of: each SDK carries its own copy of what it imports. */
const SOURCES = [...PACKAGES, 'local-transaction', 'tsconfig.json', 'package.json'];
const ROOT = resolve(import.meta.dirname, '../..');

/** What may be in the package of an SDK, besides its manifest, README and licence and its own files. */
const CARRIED = ['broker/protocol', 'local-transaction'];
const WITH_EVERY_PACKAGE = ['LICENSE', 'README.md', 'package.json'];

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Throws where a package lacks something that users need, or holds something that is none of their business. */
const assertContents = (folder: PackageFolder, paths: readonly string[]): void => {
  const isBroker = folder === 'broker';
  const wanted = [
    ...WITH_EVERY_PACKAGE,
    ...(isBroker ? ['bin/', 'dist/', 'dist/console/static/'] : [`dist/${folder}/`, 'dist/local-transaction/']),
  ];
  const lacks = wanted.filter(part => !paths.some(path => path.startsWith(part)));
  const welcome = isBroker ? ['bin', 'dist'] : [folder, ...CARRIED].map(part => `dist/${part}`);
  const isWelcome = (path: string): boolean =>
    WITH_EVERY_PACKAGE.includes(path) ||
    (welcome.some(part => path.startsWith(`${part}/`)) && (isBroker || /\.(?:js|d\.ts)$/.test(path)));
  const strangers = paths.filter(path => !isWelcome(path));
  if (lacks.length > 0) throw new Error(`The package of ${folder} lacks ${lacks.join(', ')}`);
  if (strangers.length > 0) throw new Error(`The package of ${folder} should not hold ${strangers.join(', ')}`);
};

/** The tarballs, in the same order, in the folder `destination`. Rejects with the compiler's words where one cannot be built. */
export const pack = async (folders: readonly PackageFolder[], destination: string): Promise<string[]> => {
  const copy = mkdtempSync(join(tmpdir(), 'escrowmq-sources-'));
  try {
    for (const source of SOURCES) {
      const filter = (path: string): boolean => !['dist', 'node_modules'].includes(basename(path));
      cpSync(join(ROOT, source), join(copy, source), { recursive: true, filter });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const tarballs: string[] = [];
    for (const folder of folders) {
      cpSync(join(ROOT, 'LICENSE'), join(copy, folder, 'LICENSE'));
      const said = await run(
        'npm',
        ['pack', '--json', '--silent', '--pack-destination', destination],
        join(copy, folder),
      );
      const [packed] = JSON.parse(said) as Packed[];
      assertContents(
        folder,
        packed!.files.map(({ path }) => path),
      );
      tarballs.push(join(destination, packed!.filename));
    }
    return tarballs;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
};
