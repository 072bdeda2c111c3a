/** A real broker process without Kafka, which is killed and started often. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';

/** Half of a start is compiling, which Node can remember. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');

/** Not started yet. */
export const memoryBroker = (dataDir: string, fault: PlantedFault | null): BrokerProcess =>
  new BrokerProcess(dataDir, {
    args: ['--publisher', 'memory'],
    env: { NODE_COMPILE_CACHE, ...environmentWith(fault) },
  });
