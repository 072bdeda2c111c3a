/** Both SDKs as an ES module takes them: `node import.mjs BROKER_URL`. */
import * as consumer from '@escrowmq/consumer';
import * as producer from '@escrowmq/producer';
import { play } from './story.mjs';

await play({ producer, consumer, url: process.argv[2] });
