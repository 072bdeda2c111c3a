/** The broker's figures once a second, for all who look together, and only while somebody looks. */
import type { StatusBody } from '../protocol/wire.ts';
import type { EventStream } from './event-stream.ts';
import { type Inject, restFor } from './rest.ts';

const EVERY_MS = 1_000;
/** What the lines show. */
export const SAMPLES = 300;
/** A rate is that of so many samples: single ones jump. */
const RATE_SAMPLES = 5;
/** Lines have no hole: after a longer pause they begin anew. */
const LONGEST_GAP_MS = 5_000;
/** What somebody may have read out to him is sent so seldom, beside the first time. */
const RARE_EVERY = 5;
/** A stream on which nothing changes is touched after so many samples. */
const TOUCH_EVERY = 15;

export type Happened = keyof StatusBody['sinceStart'];
type Totals = StatusBody['sinceStart'];

interface Sample {
  readonly at: number;
  readonly totals: Totals;
}

/** What the pages show of a moment: the text of each part, by its name. */
export type Parts = Readonly<Record<string, string>>;

export interface Viewer {
  readonly key: string | null;
  readonly stream: EventStream;
}

interface Watching extends Viewer {
  /** What the page shows already. */
  readonly shown: Map<string, string>;
}

/** `rates`: per second, of the last few seconds; `lines`: the same for each second, the oldest first. */
export interface Course {
  readonly rates: Readonly<Record<Happened, number>> | null;
  readonly lines: Readonly<Record<Happened, readonly number[]>>;
}

const NAMES: readonly Happened[] = ['prepared', 'committed', 'rolledBack', 'checks', 'forwarded', 'parked'];

const rateOf = (name: Happened, from: Sample, to: Sample): number =>
  to.at <= from.at ? 0 : (Math.max(0, to.totals[name] - from.totals[name]) * 1_000) / (to.at - from.at);

const byName = <T>(of: (name: Happened) => T): Record<Happened, T> =>
  Object.fromEntries(NAMES.map(name => [name, of(name)])) as Record<Happened, T>;

export interface SamplerSettings {
  readonly inject: Inject;
  /** Milliseconds. */
  readonly monotonic: () => number;
  /** Makes the parts of a moment, once for all viewers. */
  readonly draw: (status: StatusBody, course: Course) => Parts;
  /** Names of parts that are sent more seldom. */
  readonly rare: ReadonlySet<string>;
  /** What nobody foresaw; the streams end, and the broker goes on. */
  readonly onError: (error: unknown) => void;
}

export class Sampler {
  readonly #settings: SamplerSettings;
  readonly #watching = new Set<Watching>();
  #samples: Sample[] = [];
  #timer: NodeJS.Timeout | null = null;
  #turn = 0;
  #isStopped = false;

  constructor(settings: SamplerSettings) {
    this.#settings = settings;
  }

  course(): Course {
    const samples = this.#samples;
    const [last, before] = [samples.at(-1), samples.at(-1 - RATE_SAMPLES) ?? samples[0]];
    return {
      rates: last === undefined || last === before ? null : byName(name => rateOf(name, before!, last)),
      lines: byName(name => samples.slice(1).map((sample, i) => rateOf(name, samples[i]!, sample))),
    };
  }

  /** What the page shows, it shows already; it is sent what differs. The result takes the viewer away. */
  watch(viewer: Viewer): () => void {
    const watching = { ...viewer, shown: new Map<string, string>() };
    this.#watching.add(watching);
    if (this.#timer === null) this.#plan(0);
    return () => {
      this.#watching.delete(watching);
    };
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #plan(inMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(async () => {
      const begun = this.#settings.monotonic();
      try {
        await this.#sample();
      } catch (error) {
        this.#settings.onError(error);
        for (const { stream } of this.#watching) stream.end();
      }
      this.#timer = null;
      if (this.#watching.size > 0) this.#plan(Math.max(0, EVERY_MS - (this.#settings.monotonic() - begun)));
    }, inMs);
  }

  /** Asks with the viewers' keys in turn, so that each of them is soon found out where it is good no longer. */
  async #sample(): Promise<void> {
    const viewers = [...this.#watching];
    const asking = viewers[this.#turn++ % viewers.length];
    if (asking === undefined) return;
    const { status, body } = await restFor(this.#settings.inject, asking.key).call('GET', '/v1/status');
    if (status === 401 || status === 403) {
      for (const viewer of viewers.filter(({ key }) => key === asking.key)) viewer.stream.finish();
      return;
    }
    // The broker is stopping or overloaded: what is shown stays.
    if (status !== 200) return;
    this.#remember(body as StatusBody);
    this.#show(this.#settings.draw(body as StatusBody, this.course()));
  }

  #remember({ sinceStart }: StatusBody): void {
    const at = this.#settings.monotonic();
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last.at > LONGEST_GAP_MS) this.#samples = [];
    this.#samples.push({ at, totals: sinceStart });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  #show(parts: Parts): void {
    const isTouched = this.#turn % TOUCH_EVERY === 0;
    const isRareTurn = this.#turn % RARE_EVERY === 0;
    for (const { stream, shown } of this.#watching) {
      if (isTouched) stream.touch();
      for (const [name, text] of Object.entries(parts)) {
        if (shown.get(name) === text) continue;
        if (shown.has(name) && this.#settings.rare.has(name) && !isRareTurn) continue;
        shown.set(name, text);
        stream.send(name, text);
      }
    }
  }
}
