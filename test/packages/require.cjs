/** Both SDKs as CommonJS takes them: `node require.cjs BROKER_URL`. */
const consumer = require('@escrowmq/consumer');
const producer = require('@escrowmq/producer');

const main = async () => {
  const { play } = await import('./story.mjs');
  await play({ producer, consumer, url: process.argv[2] });
};

void main();
