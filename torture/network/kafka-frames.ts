/** As much of Kafka's protocol as someone needs who sits on the wire: where a message ends, what it asks, who is named in it. */

/** Keys of requests. */
export const PRODUCE = 0;
const METADATA = 3;
/** Before it the list of nodes stands right behind the correlation id; from it on a throttle time lies between. */
const THROTTLED_SINCE = 3;
/** Before it a node has no rack. */
const RACK_SINCE = 1;

/** Cuts a stream of bytes into messages, each with the four bytes of its length. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Those that are complete now. */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      frames.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return frames;
  }
}

export interface RequestHead {
  readonly api: number;
  readonly version: number;
  /** Its answer has the same. */
  readonly correlation: number;
}

export const requestHead = (frame: Buffer): RequestHead => ({
  api: frame.readInt16BE(4),
  version: frame.readInt16BE(6),
  correlation: frame.readInt32BE(8),
});

export const correlationOf = (answer: Buffer): number => answer.readInt32BE(4);

/**
 * Names other ports in an answer that says where the nodes are, so that clients come back to us: in place, and only there.
 * Up to version 8 of it, that is, which is more than kafkajs speaks; throws for a later one.
 */
export const readdress = (answer: Buffer, { api, version }: RequestHead, ports: ReadonlyMap<number, number>): void => {
  if (api !== METADATA) return;
  if (version > 8) throw new RangeError(`metadata of version ${version} cannot be read here`);
  let at = version >= THROTTLED_SINCE ? 12 : 8;
  const nodes = answer.readInt32BE(at);
  at += 4;
  for (let i = 0; i < nodes; i++) {
    at += 4;
    at += 2 + answer.readInt16BE(at);
    const port = answer.readInt32BE(at);
    answer.writeInt32BE(ports.get(port) ?? port, at);
    at += 4;
    if (version >= RACK_SINCE) at += 2 + Math.max(0, answer.readInt16BE(at));
  }
};
