/**
 * One run: every participant stands at a gate before each thing that others could notice, and one of them at a time is let
 * through. A statement that waits for a lock in the server counts as waiting, and the others go on.
 */
import type { Choice, ChoiceTree, Touch } from './choice-tree.ts';

/**
 * `goes`: it happens and is answered. `crash`: the participant dies before it, and its connection with it. `time-out`: the
 * lock it would wait for is not given up in time. The others are for COMMIT and calls of the broker: `reply lost`: it happens,
 * the answer does not arrive. `late`: no answer, and it happens some time later. `never`: no answer, and it never happens.
 * `dead, late`: its sender dies, and it happens some time later. `fails`: refused, with nothing done. `aborted`: something failed before it, and nobody looked.
 * `killed`: while it waits for a lock, as far as the server sees it: with its connection.
 */
export type Fate =
  | 'goes'
  | 'crash'
  | 'time-out'
  | 'reply lost'
  | 'late'
  | 'never'
  | 'dead, late'
  | 'fails'
  | 'aborted'
  | 'killed';

/** A connection to a database server. */
export interface Session {
  readonly id: number;
  /** Whether it has a transaction open. */
  isOpen: boolean;
  /** Whoever used it has lost it, and must not touch it any more. */
  isGivenUp: boolean;
  /** Breaks it; resolves when the server has noticed. */
  end(): Promise<void>;
  /** Rolls back and keeps the connection for other runs, whatever its user thinks of it. */
  leave(): Promise<void>;
}

export interface Gate {
  readonly label: string;
  readonly database: Touch;
  readonly broker: Touch;
  /** What can become of it at this moment, besides a crash; empty: it cannot happen yet. */
  fates(): readonly Fate[];
  perform(fate: Fate): Promise<void> | void;
  /** Whether it may have to wait for a lock, and then give up. */
  readonly mayWait?: boolean;
}

type Status = 'running' | 'at a gate' | 'in the database' | 'waiting for a lock' | 'gone';

/** What is thrown at everything that a dead participant still tries. */
export class Dead extends Error {
  constructor() {
    super('this participant is dead');
  }
}

const STUCK_AFTER_MS = 10_000;

export class Participant {
  readonly name: string;
  readonly #changed: () => void;
  status: Status = 'running';
  gate: Gate | null = null;
  /** Where its statement is. */
  session: Session | null = null;
  /** Its connections, as long as they have a transaction open. */
  readonly sessions = new Set<Session>();
  /** Its statement gives up at once, if it must wait at all. */
  isImpatient = false;
  isDead = false;
  hasMoved = false;

  constructor(name: string, changed: () => void) {
    this.name = name;
    this.#changed = changed;
  }

  get hasOpenTransaction(): boolean {
    return [...this.sessions].some(({ isOpen }) => isOpen);
  }

  to(status: Status): void {
    this.status = status;
    this.#changed();
  }

  arrive(gate: Gate): void {
    this.gate = gate;
    this.to('at a gate');
  }
}

/** Says what happens next. */
export type Director = Pick<ChoiceTree, 'take' | 'alsoOffer'>;

export interface StageOptions {
  readonly tree: Director;
  /** Of these sessions, those that wait for a lock. */
  waiting(ids: readonly number[]): Promise<ReadonlySet<number>>;
  /** Ends this session from the side of the server, whatever it waits for; resolves when it is gone. */
  kill(id: number): Promise<void>;
  /** Participants that may die, at any gate, once. */
  readonly mortal: readonly string[];
  /** Whether many may wait for one lock at the same time. */
  readonly isCrowded: boolean;
  /** How many may die in one run. */
  readonly deaths: number;
}

export class Stage {
  readonly #options: StageOptions;
  readonly #participants: Participant[] = [];
  #change: () => void = () => {};
  #last: Participant | null = null;
  /** The run is given up: whoever dies now need not do it as in a run. */
  isGivenUp = false;
  #deaths = 0;

  constructor(options: StageOptions) {
    this.#options = options;
  }

  get participants(): readonly Participant[] {
    return this.#participants;
  }

  join(name: string): Participant {
    const participant = new Participant(name, () => this.#change());
    this.#participants.push(participant);
    return participant;
  }

  /** Something that happens by itself, at any time from now on; also where the run is given up. */
  foresee(
    name: string,
    gate: Omit<Gate, 'fates' | 'perform'> & { fates?: Gate['fates']; perform(): Promise<void> | void },
  ): Participant {
    const event = this.join(name);
    event.arrive({
      ...gate,
      fates: gate.fates ?? (() => ['goes']),
      perform: async () => {
        await gate.perform();
        event.to('gone');
      },
    });
    return event;
  }

  /** Until nothing can happen any more. False: whatever would have followed is the same as a run that was or will be made. */
  async play(): Promise<boolean> {
    for (;;) {
      await this.#rest();
      const choices = this.#choices();
      if (choices.length === 0) {
        const waiting = this.#participants.filter(({ status }) => status === 'waiting for a lock');
        if (waiting.length === 0) return true;
        throw new Error(`nobody can go on, and ${waiting.map(({ name }) => name).join(' and ')} would wait for ever`);
      }
      const taken = this.#options.tree.take(choices);
      if (taken === null) return false;
      const { participant, fate } = [...choices, ...this.#otherWays()].find(({ key }) => key === taken)!;
      await this.#perform(participant, fate);
    }
  }

  /** Everybody dies: the run is given up. */
  async clear(): Promise<void> {
    this.isGivenUp = true;
    for (;;) {
      await this.#rest();
      const standing = this.#participants.find(({ status }) => status === 'at a gate');
      if (standing === undefined) return;
      await standing.gate!.perform('crash');
      for (const other of this.#participants)
        if (other.status === 'waiting for a lock') other.status = 'in the database';
    }
  }

  /** Deaths that nobody notices come first: the tree then has them everywhere else already. */
  #choices(): Offer[] {
    const offers = this.#participants.flatMap(participant => this.#offersOf(participant));
    const isUnnoticed = ({ fate, database }: Offer): boolean => fate === 'crash' && database === 'nothing';
    return [...offers.filter(isUnnoticed), ...offers.filter(each => !isUnnoticed(each))];
  }

  #offersOf(participant: Participant): Offer[] {
    if (participant.status === 'waiting for a lock') return this.#isMortal(participant) ? [killing(participant)] : [];
    if (participant.status !== 'at a gate') return [];
    const fates = this.#fatesOf(participant.gate!);
    const mayCrash = fates.length > 0 && this.#mayCrash(participant);
    return [...fates, ...(mayCrash ? (['crash'] as const) : [])].map(fate => offer(participant, fate));
  }

  /**
   * Where two wait for the same lock, the server says who gets it, and no run could be made twice. So one waits at a time:
   * to come while another one waits is to come after it, or to give up. Crowds are tried apart.
   */
  #fatesOf(gate: Gate): readonly Fate[] {
    const isTaken = this.#participants.some(({ status }) => status === 'waiting for a lock');
    return gate.mayWait && isTaken && !this.#options.isCrowded ? ['time-out'] : gate.fates();
  }

  /** What showed itself, in an earlier run, to be possible besides what is offered at once. */
  #otherWays(): Offer[] {
    return this.#participants
      .filter(({ status, gate }) => status === 'at a gate' && gate!.mayWait)
      .map(participant => offer(participant, 'time-out'));
  }

  /** The death of one that holds nothing is noticed by nobody, so one place for it is enough: right after what it did last. */
  #mayCrash(participant: Participant): boolean {
    if (!this.#isMortal(participant) || !participant.hasMoved) return false;
    return participant.hasOpenTransaction || this.#last === participant;
  }

  #isMortal({ name }: Participant): boolean {
    const { mortal, deaths } = this.#options;
    return mortal.includes(name) && this.#deaths < deaths;
  }

  async #perform(participant: Participant, fate: Fate): Promise<void> {
    const { gate } = participant;
    this.#last = participant;
    participant.hasMoved = true;
    if (fate === 'crash' || fate === 'dead, late' || fate === 'killed') this.#deaths += 1;
    participant.gate = null;
    if (gate === null) await this.#kill(participant);
    else await gate.perform(fate);
    for (const other of this.#participants) if (other.status === 'waiting for a lock') other.status = 'in the database';
    await this.#rest();
    // It waits for a lock, as the server says: giving up is its other way out.
    if (fate === 'goes' && gate?.mayWait && participant.status === 'waiting for a lock') {
      participant.gate = gate;
      this.#options.tree.alsoOffer(offer(participant, 'time-out'));
      participant.gate = null;
    }
  }

  /** It dies, and its statement with it, since the server is told. */
  async #kill(participant: Participant): Promise<void> {
    participant.isDead = true;
    participant.isImpatient = true;
    await this.#options.kill(participant.session!.id);
    for (const session of participant.sessions) if (session.id === participant.session!.id) session.isOpen = false;
  }

  /** Until everybody stands at a gate, waits for a lock, or is gone. */
  async #rest(): Promise<void> {
    const patience = AbortSignal.timeout(STUCK_AFTER_MS);
    for (;;) {
      if (patience.aborted)
        throw new Error(`stuck: ${this.#participants.map(p => `${p.name} ${p.status}`).join(', ')}`);
      const changed = new Promise<void>(resolve => {
        this.#change = resolve;
      });
      const busy = this.#participants.filter(({ status }) => status === 'running' || status === 'in the database');
      if (busy.length === 0) return;
      if (busy.every(({ status }) => status === 'in the database') && this.#mayWait(busy)) {
        // Only where all of them wait: what one of them does may let another one go on. Twice, since one that runs into
        // a deadlock waits too, until the server has seen it.
        const [first, second] = [await this.#options.waiting(idsOf(busy)), await this.#options.waiting(idsOf(busy))];
        const waits = ({ status, session }: Participant): boolean =>
          status === 'in the database' && first.has(session!.id) && second.has(session!.id);
        if (busy.every(waits)) for (const participant of busy) participant.status = 'waiting for a lock';
      } else {
        const tick = setTimeout(this.#change, STUCK_AFTER_MS);
        await changed;
        clearTimeout(tick);
      }
    }
  }

  /** Somebody holds what could be waited for. */
  #mayWait(busy: readonly Participant[]): boolean {
    if (busy.some(({ isImpatient }) => isImpatient)) return false;
    return busy.some(({ session }) =>
      this.#participants.some(({ sessions }) => [...sessions].some(other => other !== session && other.isOpen)),
    );
  }
}

const idsOf = (participants: readonly Participant[]): number[] => participants.map(({ session }) => session!.id);

interface Offer extends Choice {
  readonly participant: Participant;
  readonly fate: Fate;
}

const killing = (participant: Participant): Offer => {
  const { name: actor } = participant;
  return { key: `${actor} is killed`, actor, participant, fate: 'killed', database: 'write', broker: 'nothing' };
};

const offer = (participant: Participant, fate: Fate): Offer => {
  const { label, database, broker } = participant.gate!;
  const key = fate === 'goes' ? `${participant.name} ${label}` : `${participant.name} ${label}: ${fate}`;
  const touches =
    fate === 'crash'
      ? { database: participant.hasOpenTransaction ? 'write' : 'nothing', broker: 'nothing' }
      : fate === 'time-out'
        ? { database: 'write', broker: 'nothing' }
        : { database, broker };
  return { key, actor: participant.name, participant, fate, ...(touches as { database: Touch; broker: Touch }) };
};
