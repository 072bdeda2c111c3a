/** `npm run kafka`: a Kafka in the foreground, until Ctrl-C. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { kafkaAvailable } from './kafka/available.ts';
import { type KafkaCluster, type KafkaOptions, startKafka } from './kafka/cluster.ts';

const HELP = `Starts Apache Kafka on this machine, for trying things out, and ends it with Ctrl-C.

  npm run kafka -- [options]

  --nodes 1|3               how many servers (1)
  --port PORT               port of the first one, the others follow it; 0: free ones (9092)
  --dir DIR                 keep data and logs in this folder (a temporary one, removed at the end)
  --security plaintext|sasl_ssl
                            sasl_ssl: TLS with a certificate made for it, and a user with a password (plaintext)
  --heap SIZE               memory of each server, like 512m
  --help                    this text

Needs Java 17 and Maven (the first start copies 45 MB of jars into ~/.cache/escrowmq, or ESCROWMQ_CACHE_DIR), or a
Docker engine (one node, plain text). Only ever for tests: it listens on 127.0.0.1 and keeps its data carelessly.
`;

const main = async (args: string[]): Promise<number> => {
  const options = read(args);
  if (typeof options === 'string') {
    process.stderr.write(`${options} See npm run kafka -- --help\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { how, why } = kafkaAvailable();
  if (how === 'none' || how === 'given') {
    process.stderr.write(`${why ?? 'KAFKA_BROKERS names a Kafka already: unset it to start one here.'}\n`);
    return 1;
  }
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')]);
  const begun = startKafka({ ...options, log: line => process.stderr.write(`kafka: ${line}\n`) });
  const cluster = await Promise.race([begun, stopped.then(() => undefined)]);
  // Asked to stop while starting: what was started ends with this process.
  if (cluster === undefined) return 130;
  // A second Ctrl-C, or npm passing on the first one, shall not cut the orderly end short.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  process.stdout.write(instructions(cluster));
  const keepAlive = setInterval(() => {}, 60_000);
  await stopped;
  clearInterval(keepAlive);
  process.stderr.write('kafka: stopping\n');
  await cluster.close();
  return 0;
};

/** The options, or a sentence that says what is wrong with them. */
const read = (args: string[]): (KafkaOptions & { help: boolean }) | string => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        nodes: { type: 'string', default: '1' },
        port: { type: 'string', default: '9092' },
        dir: { type: 'string' },
        heap: { type: 'string' },
        security: { type: 'string', default: 'plaintext' },
        help: { type: 'boolean', default: false },
      },
    });
    const { nodes, port, dir, heap, security, help } = values;
    if (nodes !== '1' && nodes !== '3') return `--nodes must be 1 or 3, not ${nodes}.`;
    if (!/^\d{1,5}$/.test(port) || Number(port) + Number(nodes) > 65_536) return `--port ${port} is no port.`;
    if (dir === '') return '--dir must name a folder.';
    if (heap !== undefined && !/^[1-9]\d*[mg]$/i.test(heap)) return `--heap must be like 512m or 1g, not ${heap}.`;
    if (security !== 'plaintext' && security !== 'sasl_ssl') {
      return `--security must be plaintext or sasl_ssl, not ${security}.`;
    }
    if (security === 'sasl_ssl' && nodes === '3') return '--security sasl_ssl is offered for one node only.';
    return { nodes: Number(nodes), port: Number(port), dir, heap, security, help };
  } catch (error) {
    return (error as Error).message.replace(/\.?$/, '.');
  }
};

const instructions = ({ brokers, security, nodes }: KafkaCluster): string => {
  const flags = [`--kafka-brokers ${brokers.join(',')}`];
  if (security) {
    flags.push(`--kafka-tls --kafka-ca-file ${security.caFile} --kafka-sasl scram-sha-256`);
    flags.push(`--kafka-username ${security.username} --kafka-password-file ${security.passwordFile}`);
  }
  const processes = nodes.map(node => `  node ${node.id}: ${node.address}, process ${node.pid}, log ${node.logFile}\n`);
  return `
Kafka answers at ${brokers.join(',')}
${processes.join('')}
  npx escrowmq serve ${flags.join(' \\\n    ')}

Ctrl-C ends it.
`;
};

process.exit(
  await main(process.argv.slice(2)).catch(error => {
    process.stderr.write(`kafka: ${error.message}\n`);
    return 1;
  }),
);
