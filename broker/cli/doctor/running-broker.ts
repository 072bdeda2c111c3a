/** What the doctor hears from a broker that is running: how ready it is, and whether its producer groups answer. */
import type { ProducerGroupBody, StatusBody, TopicBody } from '../../protocol/wire.ts';
import { askBroker, type BrokerAddress, CallError, NoAnswerError, refusalIn, requestBroker } from '../broker-client.ts';
import type { CheckTest } from '../groups.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

type Readiness = Pick<StatusBody, 'status'> & { checks?: StatusBody['checks'] };

/** Groups that are asked, at most, and so many at a time: each may take five seconds. */
const MAX_GROUPS = 500;
const AT_A_TIME = 10;
const ANSWER_WITHIN_MS = 10_000;

const readinessFindings = ({ status, checks }: Readiness, url: string): Finding[] => {
  if (checks === undefined)
    return [warn('broker', `It runs at ${url} (${status}), and says more with a key.`, 'Give one: --key-file FILE.')];
  const troubles = Object.entries(checks).filter(([, each]) => each.status !== 'ok');
  if (troubles.length === 0) return [ok('broker', `It runs at ${url} and says that all is well.`)];
  return troubles.map(([name, { status, detail = status }]) => {
    const say = status === 'unavailable' ? fail : warn;
    return say('broker', `Of ${name} it says: ${detail}.`, 'See "When things go wrong" in the README.');
  });
};

const groupFinding = async (broker: BrokerAddress, { group, checkUrl }: ProducerGroupBody): Promise<Finding> => {
  const check = `group ${group}`;
  if (checkUrl === null)
    return warn(
      check,
      'It has no check address: nobody is asked about its transactions.',
      `PUT /v1/producer-groups/${group} with a checkUrl.`,
    );
  try {
    const path = `/v1/producer-groups/${encodeURIComponent(group)}/test`;
    const { ok: isRight, tookMs, error } = await askBroker<CheckTest>(broker, 'POST', path, { ok: 'boolean' });
    if (isRight) return ok(check, `${checkUrl} answers the test question, in ${tookMs} ms.`);
    return fail(check, `${checkUrl} does not answer as it should: ${error}`, 'See that its check handler runs there.');
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return fail(check, error.message, 'An operator key may ask the test question.');
  }
};

const groupFindings = async (broker: BrokerAddress): Promise<Finding[]> => {
  const path = '/v1/producer-groups';
  const { items } = await askBroker<{ items: ProducerGroupBody[] }>(broker, 'GET', path, { items: 'list' });
  const findings: Finding[] = [];
  for (let from = 0; from < Math.min(items.length, MAX_GROUPS); from += AT_A_TIME) {
    const some = items.slice(from, Math.min(from + AT_A_TIME, MAX_GROUPS));
    findings.push(...(await Promise.all(some.map(group => groupFinding(broker, group)))));
  }
  if (items.length > MAX_GROUPS) findings.push(ok('groups', `Only ${MAX_GROUPS} of ${items.length} were asked.`));
  return findings;
};

/** It answers 503 where it is not ready, and says why. */
const readinessOf = async (broker: BrokerAddress): Promise<Readiness> => {
  const response = await requestBroker(broker, 'GET', '/readyz', undefined, AbortSignal.timeout(ANSWER_WITHIN_MS));
  if (!response.ok && response.status !== 503) throw await refusalIn(broker, response, 'GET /readyz');
  const answer = (await response.json().catch(() => null)) as Readiness | null;
  if (typeof answer?.status !== 'string') throw new CallError(`What answers at ${broker.url} is no escrowmq broker.`);
  return answer;
};

export interface BrokerFindings {
  readonly findings: Finding[];
  /** Topics that messages were prepared for, as far as it says. */
  readonly topics: readonly string[];
}

/** `isExpected`: somebody holds the data folder, or its address was given. */
export const brokerFindings = async (broker: BrokerAddress, isExpected: boolean): Promise<BrokerFindings> => {
  try {
    const readiness = await readinessOf(broker);
    const findings = readinessFindings(readiness, broker.url);
    // With a key that is not good, the next call says so.
    if (readiness.checks === undefined && broker.key === null) return { findings, topics: [] };
    findings.push(...(await groupFindings(broker)));
    const { items } = await askBroker<{ items: TopicBody[] }>(broker, 'GET', '/v1/topics', { items: 'list' });
    return { findings, topics: items.map(({ topic }) => topic) };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const isAway = error instanceof NoAnswerError;
    if (isAway && !isExpected) {
      const detail = `None runs at ${broker.url}, so its producer groups were not asked.`;
      return { findings: [ok('broker', detail)], topics: [] };
    }
    const advice = isAway
      ? 'Say where it is: --url. Behind TLS of your own: NODE_EXTRA_CA_CERTS.'
      : 'Give a good key, and see that it is a broker that answers there.';
    return { findings: [fail('broker', error.message, advice)], topics: [] };
  }
};
