/** The judge of a race: many answers about the same ids, which must all tell of one resolution. */

export interface RaceAnswer {
  readonly id: string;
  readonly wanted: 'commit' | 'rollback';
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the broker answered
  readonly body: any;
}

/** A transaction as the broker shows it afterwards. */
export interface Shown {
  readonly state: string;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
  readonly contradicted: boolean;
}

const STATE_OF = { commit: 'committed', rollback: 'rolled_back' } as const;
const CODE_OF: Record<string, string> = { committed: 'ALREADY_COMMITTED', rolled_back: 'ALREADY_ROLLED_BACK' };

/** Sentences that name the id; none where every answer agrees with what is shown. */
export const judgeRace = (answers: readonly RaceAnswer[], shown: ReadonlyMap<string, Shown>): string[] => {
  const anomalies: string[] = [];
  for (const { id, wanted, status, body } of answers) {
    const end = shown.get(id);
    if (end === undefined) anomalies.push(`${id}: ${wanted} was answered ${status}, and the broker does not know it`);
    else if (status === 200) {
      if (body.state !== STATE_OF[wanted]) anomalies.push(`${id}: ${wanted} was answered with the state ${body.state}`);
      if (body.state !== end.state) anomalies.push(`${id}: ${wanted} was acknowledged, and it is ${end.state}`);
      if (body.resolvedAt !== end.resolvedAt || body.resolvedBy !== end.resolvedBy) {
        const now = `${end.resolvedBy} at ${end.resolvedAt}`;
        anomalies.push(`${id}: told resolved by ${body.resolvedBy} at ${body.resolvedAt}, and it is by ${now}`);
      }
    } else if (status === 409) {
      const isStanding = body.state === end.state && body.code === CODE_OF[end.state];
      if (!isStanding) anomalies.push(`${id}: refused with ${body.code} as ${body.state}, and it is ${end.state}`);
      if (end.state === STATE_OF[wanted]) anomalies.push(`${id}: ${wanted} was refused, and it is ${end.state}`);
      if (!end.contradicted) anomalies.push(`${id}: ${wanted} was refused, and it is not marked as contradicted`);
    } else anomalies.push(`${id}: ${wanted} was answered ${status} ${body?.code}`);
  }
  const raced = new Set(answers.map(({ id }) => id));
  for (const id of raced) {
    const state = shown.get(id)?.state;
    if (state === 'prepared') anomalies.push(`${id}: it was resolved, and is prepared`);
  }
  return anomalies;
};
