/** Where a broker process under test sends its spans. */
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import type { Test } from 'tap';
import { serve } from './producer-world.ts';
import type { RecordedSpan } from './recorded-spans.ts';

export interface SpanCollector {
  /** In the order in which they came. */
  readonly spans: RecordedSpan[];
  /** For a broker that is to send its spans here: the example's preload, as it is printed. */
  readonly env: Record<string, string>;
}

export const startSpanCollector = async (t: Test): Promise<SpanCollector> => {
  const spans: RecordedSpan[] = [];
  const url = await serve(t, async (request, response) => {
    spans.push(...(JSON.parse(await text(request)) as RecordedSpan[]));
    response.end('{}');
  });
  const preloads = ['test/support/exporter-to-test.ts', 'examples/tracing/otel.mjs'].map(
    file => `--import ${pathToFileURL(resolve(file)).href}`,
  );
  return { spans, env: { NODE_OPTIONS: preloads.join(' '), OTEL_EXPORTER_OTLP_ENDPOINT: url } };
};
