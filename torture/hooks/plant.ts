/** Loaded before a program: changes one place of one source file of the product while that is loaded. */
import { registerHooks } from 'node:module';

const query = new URL(import.meta.url).searchParams;
const [file, from, to] = [query.get('file')!, query.get('from')!, query.get('to')!];
const address = new URL(`../../${file}`, import.meta.url).href;

registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context);
    if (url !== address) return loaded;
    const parts = String(loaded.source).split(from);
    if (parts.length !== 2) {
      console.error(`The planted fault is ${parts.length - 1} times in ${file}: ${from}`);
      process.exit(70);
    }
    return { ...loaded, source: parts.join(to) };
  },
});
