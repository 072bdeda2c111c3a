/**
 * OpenTelemetry for the broker's process, loaded before it starts:
 *
 *   npm install @opentelemetry/api @opentelemetry/context-async-hooks @opentelemetry/exporter-trace-otlp-http \
 *     @opentelemetry/resources @opentelemetry/sdk-trace
 *   node --import ./otel.mjs node_modules/.bin/escrowmq serve
 *
 * Spans go to OTEL_EXPORTER_OTLP_ENDPOINT, http://localhost:4318 without it.
 */
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

const provider = new TracerProvider({
  resource: resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME ?? 'escrowmq' }),
  // A span that finds the queue full is dropped: with every transaction sampled there are several thousand a second.
  spanProcessors: [
    new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: 500, maxQueueSize: 20_000 }),
  ],
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(provider);

// The broker ends by itself once it has finished what is in hand; what has been recorded until now goes out meanwhile.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => provider.forceFlush().catch(() => {}));
