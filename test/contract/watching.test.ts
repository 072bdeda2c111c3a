/** What operators are given to watch the broker with asks for nothing that does not exist, and each alert is explained. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { startServer } from '../support/http-server.ts';
import { metricOf, readScrape, type Scrape } from '../support/metrics.ts';
import { readExpression } from '../support/promql.ts';
import { temporaryFolder } from '../support/store.ts';

const ALERTS = 'ops/prometheus/alerts.yaml';
const ALERT_CASES = 'ops/prometheus/alerts_test.yaml';
const DASHBOARD = 'ops/grafana/escrowmq.json';
const RUNBOOKS = 'docs/runbooks.md';
/** Made by Prometheus itself. */
const OF_PROMETHEUS = new Set(['up']);

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Record<string, string>;
}

interface Cases {
  readonly tests: readonly {
    readonly input_series: readonly { readonly series: string }[];
    readonly promql_expr_test?: readonly {
      readonly expr: string;
      readonly exp_samples?: readonly { value: number }[];
    }[];
  }[];
}

const read = (file: string): string => readFileSync(file, 'utf8');
const alerts = (parse(read(ALERTS)) as { groups: { rules: Alert[] }[] }).groups.flatMap(({ rules }) => rules);
const cases = parse(read(ALERT_CASES)) as Cases;

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
const dashboard = JSON.parse(read(DASHBOARD)) as {
  panels: Panel[];
  annotations: { list: { expr: string }[] };
  templating: { list: { name: string; query: { query: string } }[] };
};
const panels = dashboard.panels.filter(panel => panel.type !== 'row');
const drawn = panels.flatMap(panel => (panel.targets ?? []).map(target => target.expr));
const expressions = [...drawn, ...dashboard.annotations.list.map(({ expr }) => expr)];

const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
const needsPromtool = {
  skip: promtool('--version').status === 0 ? false : 'there is no promtool (Debian: prometheus)',
};

/** Of a server in which each labelled thing has happened once. */
const scraped = async (t: Test): Promise<Scrape> => {
  const s = await startServer(t);
  await s.createGroup('g');
  await s.prepare('t1');
  s.metrics.onResolution('committed', 'producer');
  s.metrics.onForwarded('transfers', 1, 1);
  s.metrics.onCall('g', 1, null);
  s.metrics.onRequest('/livez', 'GET', 200, 1);
  return readScrape((await s.call('GET', '/metrics')).body);
};

/** Whatever the expression asks for and a scrape does not have. */
const strangers = (expression: string, { types, labels }: Scrape): string[] => {
  const { asked, groupedBy } = readExpression(expression);
  const found = new Set<string>();
  const missing: string[] = [];
  for (const { series, labels: wanted } of asked) {
    if (OF_PROMETHEUS.has(series)) continue;
    const metric = metricOf(series, types);
    const known = labels.get(metric) ?? new Set();
    const isPart = metric !== series || types.get(series) !== 'histogram';
    if (!types.has(metric) || !isPart) missing.push(series);
    for (const label of wanted) if (!known.has(label)) missing.push(`${series}{${label}}`);
    for (const label of known) found.add(label);
  }
  for (const label of groupedBy) if (!found.has(label)) missing.push(`by (${label})`);
  return missing;
};

t.test('an expression that asks for what does not exist is found', async t => {
  const scrape = await scraped(t);
  const wrong: [string, string[]][] = [
    ['escrowmq_kafka_up == 0', []],
    ['sum by (le) (rate(escrowmq_commit_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])) > 1e9', []],
    ['escrowmq_kafka_down == 0', ['escrowmq_kafka_down']],
    ['rate(escrowmq_commit_duration_seconds[5m])', ['escrowmq_commit_duration_seconds']],
    ['escrowmq_messages{status="ready"}', ['escrowmq_messages{status}']],
    ['sum by (topic) (escrowmq_messages{state="}")})', ['by (topic)']],
    ['a_b and on (job) escrowmq_kafka_up offset 5m', ['a_b']],
  ];
  for (const [expression, found] of wrong) t.same(strangers(expression, scrape), found, expression);
});

t.test('every expression names metrics and labels that a scrape has', async t => {
  const scrape = await scraped(t);
  for (const { alert, expr } of alerts) t.same(strangers(expr, scrape), [], alert);
  for (const expression of expressions) t.same(strangers(expression, scrape), [], expression);
  for (const { input_series } of cases.tests) {
    const { asked } = readExpression(input_series.map(({ series }) => series).join(' + '));
    t.equal(asked.length, input_series.length);
    for (const { series } of input_series) t.same(strangers(series, scrape), [], series);
  }
  t.ok(expressions.length > 40 && alerts.length > 15);
});

t.test('the dashboard asks the data source and the brokers that were chosen', async t => {
  const chosen = dashboard.templating.list.map(({ name }) => name);
  t.same(chosen, ['datasource', 'instance']);
  for (const panel of panels) {
    t.equal(panel.datasource?.uid, `\${datasource}`, panel.title);
    t.ok(panel.description, `${panel.title} says what it shows`);
    for (const { expr, datasource } of panel.targets ?? []) {
      t.equal(datasource.uid, `\${datasource}`, panel.title);
      t.match(expr, /instance=~"\$instance"/, `${panel.title}: ${expr}`);
    }
  }
});

t.test('each alert says what to do, and has its section in the runbooks, both ways', async t => {
  const sections = read(RUNBOOKS).split(/^## /m).slice(1);
  const named = sections.map(section => section.split('\n', 1)[0]!).filter(name => name.startsWith('Escrowmq'));
  t.same(named.toSorted(), alerts.map(({ alert }) => alert).toSorted());
  for (const { alert, labels, annotations } of alerts) {
    t.ok(['critical', 'warning'].includes(labels.severity), `${alert}: severity`);
    t.match(annotations.summary, /^.{10,120}$/, `${alert}: summary`);
    t.match(annotations.description, /^[A-Z].{20,140}\.$/, `${alert}: a sentence that says what to do`);
    t.equal(annotations.runbook_url, `${RUNBOOKS}#${alert.toLowerCase()}`, `${alert}: runbook`);
    const section = sections.find(text => text.startsWith(`${alert}\n`))!;
    for (const part of ['What it means', 'At stake', 'Find out more', 'What to do', 'Over when']) {
      t.ok(section.includes(`**${part}.**`), `${alert}: ${part}`);
    }
  }
});

t.test('each alert is shown to fire, and not to fire', async t => {
  const asked = cases.tests.flatMap(({ promql_expr_test = [] }) => promql_expr_test);
  for (const { alert } of alerts) {
    const own = asked.filter(({ expr }) => expr === `count(ALERTS{alertname="${alert}",alertstate="firing"})`);
    t.ok(
      own.some(({ exp_samples = [] }) => exp_samples.length === 1),
      `${alert} fires`,
    );
    t.ok(
      own.some(({ exp_samples = [] }) => exp_samples.length === 0),
      `${alert} does not`,
    );
  }
});

t.test('promtool has nothing to say against the rules, their cases and the scrape', needsPromtool, async t => {
  const commands = [
    ['check', 'rules', ALERTS],
    ['test', 'rules', ALERT_CASES],
    ['check', 'config', '--syntax-only', 'ops/prometheus/prometheus.yaml'],
  ];
  for (const command of commands) {
    const { status, stdout, stderr } = promtool(...command);
    t.equal(status, 0, `promtool ${command.join(' ')}\n${stdout}${stderr}`);
  }
  // What Grafana puts in place of its variables makes rules of the expressions.
  const rules = expressions.map((expr, i) => ({
    record: `expression:${i}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
  }));
  const file = join(temporaryFolder(t), 'dashboard.json');
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  const { status, stdout, stderr } = promtool('check', 'rules', resolve(file));
  t.equal(status, 0, `the dashboard's expressions\n${stdout}${stderr}`);
});

t.test('promtool has nothing to say against the names of the metrics', needsPromtool, async t => {
  const s = await startServer(t);
  const { body } = await s.call('GET', '/metrics');
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
  const ours = `${stdout}${stderr}`.split('\n').filter(line => line.startsWith('escrowmq_'));
  t.same(ours, []);
});
