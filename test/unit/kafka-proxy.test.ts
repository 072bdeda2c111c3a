/** The wire to Kafka that fails on purpose: where messages end, whom an answer names, and what becomes of a send. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { FrameSplitter, readdress, requestHead } from '../../torture/network/kafka-frames.ts';
import { type Fate, KafkaProxy } from '../../torture/network/kafka-proxy.ts';

const [PRODUCE, METADATA] = [0, 3];

const frame = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
};
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value]);
const int32 = (value: number): Buffer => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)]);
const request = (api: number, correlation: number): Buffer =>
  frame(int16(api), int16(1), int32(correlation), text('me'));

t.test('a stream is cut into messages wherever it is broken', async t => {
  const [first, second] = [request(PRODUCE, 1), request(METADATA, 2)];
  const stream = Buffer.concat([first, second]);
  for (let size = 1; size <= stream.length; size++) {
    const splitter = new FrameSplitter();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...splitter.push(stream.subarray(at, at + size)));
    t.same(found, [first, second], `${size} bytes at a time`);
  }
  t.same(requestHead(second), { api: METADATA, version: 1, correlation: 2 });
});

t.test('an answer names our ports instead of the nodes’', async t => {
  const ports = new Map([
    [9092, 1234],
    [9093, 4321],
  ]);
  const nodes = (version: number, [a, b]: readonly [number, number]): Buffer => {
    const rack = version === 0 ? [] : [int16(-1)];
    const named = version === 0 ? [] : [text('rack')];
    return frame(
      ...[int32(7), ...(version >= 3 ? [int32(0)] : []), int32(2)],
      ...[int32(1), text('127.0.0.1'), int32(a), ...rack],
      ...[int32(2), text('localhost'), int32(b), ...named, text('and so on')],
    );
  };
  for (const version of [0, 1, 2, 3, 6, 8]) {
    const answer = nodes(version, [9092, 9093]);
    readdress(answer, { api: METADATA, version, correlation: 7 }, ports);
    t.same(answer, nodes(version, [1234, 4321]), `version ${version}`);
  }
  const other = nodes(1, [9092, 9093]);
  readdress(other, { api: PRODUCE, version: 1, correlation: 7 }, ports);
  t.same(other, nodes(1, [9092, 9093]), 'anything else is left alone');
  t.throws(() => readdress(other, { api: METADATA, version: 9, correlation: 7 }, ports), /version 9/);
});

/** A node that answers each message with its correlation id, a proxy before it, and a client. */
const wire = async (t: Test, fate: () => Fate) => {
  const seen: number[] = [];
  const node = createServer(socket => {
    const splitter = new FrameSplitter();
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of splitter.push(chunk)) {
        const { correlation } = requestHead(message);
        seen.push(correlation);
        socket.write(frame(int32(correlation)));
      }
    });
  });
  await once(node.listen(0, '127.0.0.1'), 'listening');
  const proxy = new KafkaProxy({ fate, swallowedMs: 1, lateMs: 1 });
  const [address] = await proxy.listen([`127.0.0.1:${(node.address() as AddressInfo).port}`]);
  t.teardown(() => {
    proxy.close();
    node.close();
  });
  const open = async (): Promise<{ socket: Socket; answers: number[]; closed: Promise<unknown> }> => {
    const socket = connect(Number(address!.split(':')[1]), '127.0.0.1');
    socket.on('error', () => {});
    const answers: number[] = [];
    const splitter = new FrameSplitter();
    socket.on('data', chunk => {
      for (const message of splitter.push(chunk)) answers.push(message.readInt32BE(4));
      socket.emit('answered');
    });
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    return { socket, answers, closed };
  };
  return { proxy, seen, open };
};

t.test('what becomes of a send', async t => {
  const fates: Record<Exclude<Fate, 'pass' | 'late'>, number[]> = { lost: [], unanswered: [1], swallowed: [1] };
  for (const [fate, expected] of Object.entries(fates)) {
    const { seen, open, proxy } = await wire(t, () => fate as Fate);
    const { socket, answers, closed } = await open();
    socket.write(request(PRODUCE, 1));
    await closed;
    t.same(seen, expected, `${fate}: what the node saw`);
    t.same(answers, [], `${fate}: there is no answer`);
    t.equal(proxy.met[fate as Fate], 1);
  }
});

t.test('a late answer holds those behind it back, and what is no send passes', async t => {
  let sends = 0;
  const { open, proxy } = await wire(t, () => (sends++ === 0 ? 'late' : 'pass'));
  const { socket, answers } = await open();
  socket.write(Buffer.concat([request(PRODUCE, 1), request(METADATA + 100, 2), request(PRODUCE, 3)]));
  while (answers.length < 3) await once(socket, 'answered');
  t.same(answers, [1, 2, 3]);
  t.match(proxy.met, { late: 1, pass: 1 });
});

t.test('away: connections break, and new ones, too', async t => {
  const { open, proxy } = await wire(t, () => 'pass');
  const { socket, answers, closed } = await open();
  socket.write(request(PRODUCE, 1));
  await once(socket, 'answered');
  t.same(answers, [1]);
  proxy.isAway = true;
  await closed;
  await (await open()).closed;
  proxy.isAway = false;
  const again = await open();
  again.socket.write(request(PRODUCE, 2));
  await once(again.socket, 'answered');
  t.same(again.answers, [2]);
});
