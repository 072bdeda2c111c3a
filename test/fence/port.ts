/** Where the code of one participant meets the world, if it runs in this thread: what it sends is held until it may go. */
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import type { Found } from '../../producer-sdk/fence/fence-table.ts';
import { type BrokerModel, type Operation, type Reply, refused } from './broker-model.ts';
import type { Touch } from './choice-tree.ts';
import type { Stand } from './parts.ts';
import { Dead, type Fate, type Participant, type Session, type Stage } from './stage.ts';
import type { Story } from './story.ts';

/** What a statement has to do with the rows and locks that others see too; statements of other kinds pass freely. */
const TOUCHES: Record<string, Touch> = {
  begin: 'nothing',
  claim: 'write',
  write: 'nothing',
  verify: 'nothing',
  COMMIT: 'write',
  ROLLBACK: 'write',
  lose: 'write',
  undo: 'write',
  verdict: 'write',
  read: 'read',
  'read all': 'read',
  'rows to mark': 'read',
  'rows to forget': 'read',
  mark: 'write',
  unmark: 'write',
  forget: 'write',
  deadlock: 'write',
};

/** For the row of the transaction, which all of them are about. */
const MAY_WAIT = new Set(['claim', 'verdict']);

export interface Run {
  readonly stage: Stage;
  readonly broker: BrokerModel;
  readonly story: Story;
  /** What stands in the fence, as everybody can see it. */
  rowNow(): Promise<Found | null>;
  /** All that was is long ago, and the row goes. */
  purge(): Promise<void>;
  /** Whether that has happened. */
  isOld(): boolean;
  /** What may become of each COMMIT of these participants, besides the usual. */
  readonly commitFates: Readonly<Record<string, readonly Fate[]>>;
  /** What may become of each call of the broker of these participants, besides the usual. */
  readonly callFates: Readonly<Record<string, readonly Fate[]>>;
}

export class ConnectionLost extends Error {
  readonly code = 'ECONNRESET';
  readonly fatal = true;
  constructor() {
    super('the connection to the database was lost');
  }
}

interface Sent<R> {
  run(): Promise<R>;
  /** The same, where a lock that somebody holds is an error at once: the server's own. */
  runImpatiently(): Promise<R>;
  /** The same, after something else had failed in its transaction. */
  runAborted?(): Promise<R>;
}

export class Port {
  readonly participant: Participant;
  readonly run: Run;

  constructor(participant: Participant, run: Run) {
    this.participant = participant;
    this.run = run;
  }

  touch(label: string): Touch {
    return TOUCHES[label]!;
  }

  assertAlive(): void {
    if (this.participant.isDead) throw new Dead();
  }

  statement<R>(label: string, session: Session, { run, runImpatiently, runAborted }: Sent<R>): Promise<R> {
    const { participant } = this;
    this.assertAlive();
    return new Promise<R>((resolve, reject) => {
      const execute = async (how: () => Promise<R>): Promise<R> => {
        if (label === 'begin') {
          session.isOpen = true;
          participant.sessions.add(session);
        }
        if (label === 'forget') await this.run.purge();
        const result = await how();
        if (label === 'COMMIT' || label === 'ROLLBACK') this.#closed(session);
        return result;
      };
      const go = (how: () => Promise<R>): void => {
        // A deadlock is seen by the server, and ends at once.
        participant.isImpatient = how === runImpatiently || label === 'deadlock';
        participant.session = session;
        participant.to('in the database');
        execute(how).then(
          result => {
            participant.to('running');
            resolve(result);
          },
          error => {
            participant.to('running');
            reject(error);
          },
        );
      };
      const end = async (): Promise<void> => {
        await session.end();
        this.#closed(session);
      };
      const lose = (): void => {
        participant.to('running');
        reject(new ConnectionLost());
      };
      /** The connection is the server's affair from now on. */
      const later = (label: string, perform: () => Promise<void>): void => {
        const gate = { label, database: 'write', broker: 'nothing', perform } as const;
        participant.sessions.delete(session);
        session.isGivenUp = true;
        this.run.stage.foresee(`${participant.name}~`, gate).sessions.add(session);
      };
      participant.arrive({
        label,
        database: this.touch(label),
        broker: 'nothing',
        mayWait: MAY_WAIT.has(label),
        fates: () => ['goes', ...(label === 'COMMIT' ? (this.run.commitFates[participant.name] ?? []) : [])],
        perform: async fate => {
          const arriveLater = (): void =>
            later('COMMIT arrives', async () => {
              await execute(run);
              await end();
            });
          if (label === 'COMMIT' && fate !== 'goes') this.run.story.inDoubt.add(participant.name);
          if (fate === 'goes') go(run);
          else if (fate === 'time-out') go(runImpatiently);
          else if (fate === 'aborted') go(runAborted!);
          else if (fate === 'reply lost') {
            await execute(run);
            await end();
            lose();
          } else if (fate === 'late') {
            arriveLater();
            lose();
          } else if (fate === 'never') {
            later('connection seen broken', end);
            lose();
          } else {
            if (fate === 'dead, late') arriveLater();
            await this.#die();
            participant.to('running');
            reject(new Dead());
          }
        },
      });
    });
  }

  async #die(): Promise<void> {
    this.participant.isDead = true;
    for (const session of [...this.participant.sessions]) {
      await (this.run.stage.isGivenUp ? session.leave() : session.end());
      this.#closed(session);
    }
  }

  #closed(session: Session): void {
    session.isOpen = false;
    this.participant.sessions.delete(session);
  }

  /** A moment of its own in which nothing is sent to a database. `act` says what it resolves with. */
  moment<R>(
    label: string,
    broker: Touch,
    fates: () => readonly Fate[],
    act: (fate: Fate) => R | Error | Promise<R | Error>,
  ): Promise<R> {
    const { participant } = this;
    this.assertAlive();
    return new Promise<R>((resolve, reject) => {
      participant.arrive({
        label,
        database: 'nothing',
        broker,
        fates,
        perform: async fate => {
          if (fate === 'crash') {
            await this.#die();
            participant.to('running');
            reject(new Dead());
            return;
          }
          const result = await act(fate);
          participant.to('running');
          if (result instanceof Error) reject(result);
          else resolve(result);
        },
      });
    });
  }

  /** One call of the broker. Rejects as the client does. */
  async call(operation: Operation): Promise<TransactionBody> {
    const { participant, run } = this;
    const { broker, story } = run;
    const reply = await this.moment<Reply>(
      `${operation} at the broker`,
      operation === 'state' ? 'read' : 'write',
      () => ['goes', ...(operation === 'state' ? [] : (run.callFates[participant.name] ?? []))],
      async fate => {
        const noAnswer = new Error('no answer of the broker');
        const carryOut = (): Reply => broker.carryOut(operation);
        if (operation === 'commit' || operation === 'rollback') {
          story.calls.push({ by: participant.name, operation, row: await run.rowNow() });
        }
        if (fate === 'goes') return carryOut();
        if (fate === 'fails') return { problem: { code: 'FORBIDDEN', status: 403, detail: 'no' } } as unknown as Reply;
        if (fate === 'reply lost') carryOut();
        if (fate === 'late') {
          const gate = { label: `${operation} arrives`, database: 'nothing', broker: 'write' } as const;
          run.stage.foresee(`${participant.name}~`, { ...gate, perform: () => void carryOut() });
        }
        return noAnswer;
      },
    );
    if ('problem' in reply) throw refused(reply.problem, broker.id);
    return reply.body;
  }

  /** What participants do besides statements and calls. */
  moments(): Pick<Stand, 'asked' | 'answers' | 'ended'> {
    const { stage, broker, story } = this.run;
    const { name } = this.participant;
    return {
      asked: () =>
        this.moment<void>(
          'is asked',
          'read',
          () => (broker.state === 'prepared' ? ['goes'] : []),
          () => {},
        ),
      answers: resolution => {
        this.assertAlive();
        story.answers.push({ by: name, resolution });
        const deliver = (): void => {
          if (resolution === 'commit' || resolution === 'rollback') broker.resolve(resolution);
        };
        return this.moment<void>('answers', 'write', () => ['goes'], deliver);
      },
      ended: () => {
        // The horizon is 30 days: no check-back is under way for so long.
        const isAsked = (): boolean =>
          stage.participants.some(({ name, hasMoved, status }) => /^C/.test(name) && hasMoved && status !== 'gone');
        const isEnded = (): boolean => broker.state === 'committed' || broker.state === 'rolled_back';
        return this.moment<void>(
          'begins',
          'read',
          () => (isEnded() && !isAsked() ? ['goes'] : []),
          () => {},
        );
      },
    };
  }
}
