# Build:  docker build -t escrowmq .
# Run:    docker run -p 7400:7400 -v escrowmq-data:/data -e ESCROWMQ_OPERATOR_KEY=… -e ESCROWMQ_KAFKA_BROKERS=kafka:9092 escrowmq
FROM node:24.21.0-bookworm-slim AS manifests
WORKDIR /src
COPY package.json package-lock.json ./
COPY broker/package.json broker/
COPY producer-sdk/package.json producer-sdk/
COPY consumer-sdk/package.json consumer-sdk/
COPY tools/api/package.json tools/api/

FROM manifests AS build
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY broker broker
RUN npm run build -w escrowmq

# What runs needs neither the tools nor the Node that npm brings for older shells.
FROM manifests AS modules
RUN npm ci --no-audit --no-fund --omit=dev -w escrowmq

FROM node:24.21.0-bookworm-slim
# NODE_OPTIONS and MALLOC_… bound the memory that is held and not used (see docs/performance.md).
ENV NODE_ENV=production NODE_OPTIONS="--max-semi-space-size=8 --max-old-space-size=512" MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 ESCROWMQ_HOST=0.0.0.0 ESCROWMQ_PORT=7400 ESCROWMQ_DATA_DIR=/data
WORKDIR /app
COPY --from=modules /src/node_modules node_modules
COPY LICENSE broker/package.json ./
COPY broker/bin bin
COPY --from=build /src/broker/dist dist
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
VOLUME /data
EXPOSE 7400
# The process answers; /readyz says whether it can accept.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ESCROWMQ_PORT}/livez`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/escrowmq.js"]
CMD ["serve"]
