/** P19: check-backs cannot be turned against a network. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { AddressAttack } from '../check-addresses/attack.ts';
import { HostileProducer } from '../check-addresses/hostile-producer.ts';
import { OutsideWorld } from '../check-addresses/outside-world.ts';
import { Traps } from '../check-addresses/traps.ts';
import { environmentWith, type PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';

/** The only address that may be called. */
const ALLOWED = '127.0.0.77';
const EVERYTHING = '0.0.0.0/0,::/0';
/** Names of which nothing is said lead here. */
const ELSEWHERE = '127.0.0.2';
const FULL_ROUNDS = 20;

const ASKER = 'broker/check-back/asker.ts';

/** At its short size a fault meets the step that must find it, and no other. */
type Step = 'registered' | 'names' | 'redirects' | 'hostile answers';

const FAULTS: readonly (PlantedFault & { readonly step: Step })[] = [
  {
    step: 'registered',
    name: 'addresses-judged-at-registration-only',
    what: 'a check address is judged when it is set, and not when it is called',
    file: ASKER,
    from: 'if (this.#settings.policy.judgeUrl(group.checkUrl) !== null)',
    to: 'if (false)',
  },
  {
    step: 'names',
    name: 'names-not-judged-by-where-they-lead',
    what: 'a name that was let in may lead anywhere',
    file: 'broker/check-back/guarded-lookup.ts',
    from: 'policy.allowsName(name) ? addresses : addresses.filter(a => policy.allowsAddress(a.address))',
    to: 'addresses',
  },
  {
    step: 'redirects',
    name: 'redirects-followed',
    what: 'a redirect is followed',
    file: ASKER,
    from: 'const response = await unobserved(() => this.#agent.request(request));',
    to: `const { interceptors } = await import('undici');
    const agent = this.#agent.compose(interceptors.redirect({ maxRedirections: 2 }));
    const response = await unobserved(() => agent.request(request));`,
  },
  {
    step: 'hostile answers',
    name: 'answers-read-without-end',
    what: 'an answer is read as long as it goes on',
    file: ASKER,
    from: 'if (bytes > MAX_ANSWER_BYTES)',
    to: 'if (bytes < 0)',
  },
];

const run = async ({ size, fault, folder, say }: ProofOptions): Promise<Finding> => {
  const only = size === 'short' ? FAULTS.find(({ name }) => name === fault?.name)?.step : undefined;
  const isWanted = (step: Step): boolean => only === undefined || only === step;
  const traps = new Traps();
  const producer = new HostileProducer();
  const settings = ['--publisher', 'memory', '--check-allow'];
  let broker: BrokerProcess | undefined;
  try {
    const trapPort = (await traps.set('::', 0)) ?? (await traps.set('0.0.0.0', 0))!;
    const port = await producer.listen(ALLOWED);
    const missing: string[] = [];
    for (const address of ['127.0.0.1', ELSEWHERE, '::1']) {
      if ((await traps.set(address, port)) === null) missing.push(`there is no ${address} on this machine`);
    }
    producer.redirectTo = `http://${ELSEWHERE}:${trapPort}/`;
    const world = new OutsideWorld(folder, trapPort, [ELSEWHERE]);
    const planted = environmentWith(fault);
    broker = new BrokerProcess(join(folder, 'data'), {
      env: {
        // Half of a start is compiling, which Node can remember.
        NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
        NODE_OPTIONS: [planted.NODE_OPTIONS ?? '', world.option].join(' ').trim(),
      },
    });
    const attack = new AddressAttack({
      broker,
      world,
      producer,
      allowed: ALLOWED,
      trapPort,
      port,
      secret: `whsec_${randomBytes(32).toString('base64')}`,
    });

    if (isWanted('registered')) {
      say('addresses are set while everything is allowed');
      await broker.start([...settings, EVERYTHING]);
      await attack.register();
      await broker.stop();
    }
    say(`and called when ${ALLOWED} alone is allowed`);
    await broker.start([...settings, ALLOWED]);
    // These take the broker's whole patience: meanwhile the rest.
    const hostile = isWanted('hostile answers') ? attack.answerHostilely() : Promise.resolve();
    if (isWanted('registered')) {
      await attack.callRegistered();
      await attack.setAgain();
    }
    if (isWanted('redirects')) await attack.redirect();
    const rounds = size === 'full' ? FULL_ROUNDS : isWanted('names') ? 1 : 0;
    for (let round = 0; round < rounds; round++) await attack.rebind(round);
    await hostile;
    await attack.proceed();
    if ((await broker.stop()) !== 0) attack.anomalies.push('the broker did not end in order');

    const calls = world.sightings.filter(sighting => sighting.what === 'call');
    const forbidden = calls.filter(({ address, port: at }) => address !== ALLOWED || at !== port);
    const anomalies = [
      ...traps.caught.map(where => `a connection arrived at ${where}`),
      ...forbidden.map(({ address, port: at }) => `the broker reached for ${address}:${at}`),
      ...attack.anomalies,
    ];
    const lookUps = world.sightings.length - calls.length;
    // Without these nothing would have been put to the test.
    if (lookUps < attack.rebindings) anomalies.push(`${lookUps} look-ups are fewer than the rebindings`);
    if (calls.length < producer.count) anomalies.push(`${calls.length} calls were seen, ${producer.count} arrived`);
    return {
      figures: {
        ...attack.figures,
        'look-ups': lookUps,
        'calls to the allowed address': producer.count,
        'connections to forbidden addresses': traps.caught.length + forbidden.length,
        'most KiB that an endless answer could write': Math.round(producer.mostBytes / 1024),
      },
      anomalies,
      missed: missing,
    };
  } finally {
    await broker?.kill();
    producer.close();
    traps.close();
  }
};

export const P19: Proof = {
  promise: 'P19',
  sentence: 'Check-backs cannot be turned against a network.',
  how:
    'every spelling of addresses, set while all are allowed and called when one is; names that lead elsewhere at the ' +
    'next look-up; redirects; endless, slow, packed and oversized answers; traps on the machine’s other addresses, and ' +
    'a record of every connection that the broker attempts',
  target: '≥ 60 spellings, 0 connections to forbidden addresses',
  faults: FAULTS,
  lacks: () =>
    process.platform === 'linux' ? null : 'It needs the addresses 127.0.0.2 and 127.0.0.77, which Linux has.',
  run,
};
