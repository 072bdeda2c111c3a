#!/usr/bin/env node
// The committed launcher: works right after `npm ci`. In a checkout it runs the sources, in the package the built files.
import { existsSync } from 'node:fs';

const source = new URL('../main.ts', import.meta.url);
const isCheckout = existsSync(source);
const OLDEST_NODE_API = 10;
if (Number(process.versions.napi) < OLDEST_NODE_API || (isCheckout && !process.features.typescript)) {
  console.error(
    `escrowmq needs Node 22.18 or newer; this is ${process.version} (${process.execPath}). In a checkout, start it with npx or an npm script: they use the Node that npm ci installed.`,
  );
  process.exit(2);
}

// kafkajs arms timers with times in the past, which is harmless; newer Nodes warn about each of them.
process.removeAllListeners('warning');
process.on('warning', warning => {
  if (warning.name !== 'TimeoutNegativeWarning') console.error(`${warning.name}: ${warning.message}`);
});

await import(isCheckout ? source.href : new URL('../dist/main.js', import.meta.url).href);
