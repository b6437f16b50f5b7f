/**
 * deploy/monitoring and docs/monitoring.md: every metric and label that they name is one that a real guard serves, promtool reads the rules and the
 * queries, the alerts fire when they should, and a real API server accepts the objects of the operator.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { STATUS_PORT } from '../../image/pod/status-server.ts';
import { documentAt } from '../../src/documents.ts';
import { tempFolder } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { judge } from './custom-resources.ts';
import { anchorsOf, fences, read, root } from './documents.ts';
import { dashboard, FOLDER, promtool, queries, rules, scrape } from './monitoring.ts';
import { injected } from './workloads.ts';

const tool = await promtool();
const checked = tool ? test : test.skip; // said by promtool(), and a failure under CI
const asked = [...queries, ...rules.map(({ expr }) => expr)];
/** As Grafana writes a variable. */
const CHOSEN = `$\{datasource}`;
/** Of the Pod, from the operator. */
const ADDED = ['pod', 'namespace'];

test('each metric and label of the dashboard and the alerts is served by a real guard', async (t) => {
  const { series } = await scrape(t);
  const names = series.map(({ name }) => name);
  const used = asked.flatMap((expr) => [...expr.matchAll(/k8s_lease_lock_\w+/g)].map(([name]) => name));
  assert.deepEqual(
    used.filter((name) => !names.includes(name)),
    [],
  );
  for (const { name, labels } of series) assert.deepEqual(labels, ['lock', 'lock_namespace'], name);
  assert.ok(series.some(({ series: text }) => text === 'k8s_lease_lock_held{lock="nightly",lock_namespace="locks"}'));
  const texts = [
    ...dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr, legendFormat }) => [expr, legendFormat])),
    ...rules.flatMap(({ expr, annotations }) => [expr, ...Object.values(annotations)]),
    ...dashboard.templating.list.map(({ query }) => (typeof query === 'string' ? '' : query.query)),
  ];
  const labels = texts.flatMap((text) => [
    ...[...text.matchAll(/(\w+)=~?"/g)].map(([, label = '']) => label),
    ...[...text.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', ')),
    ...[...text.matchAll(/\{\{ ?(?:\$labels\.)?(\w+) ?\}\}/g)].map(([, label = '']) => label),
    ...[...text.matchAll(/label_values\(.*, (\w+)\)/g)].map(([, label = '']) => label),
  ]);
  assert.ok(labels.length >= 30);
  const known = ['lock', 'lock_namespace', ...ADDED];
  assert.deepEqual(
    labels.filter((label) => !known.includes(label)),
    [],
  );
});

test('the table of docs/monitoring.md has what a real guard says of its metrics', async (t) => {
  const { text } = await scrape(t);
  const served = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(
    ([, name, help, type]) => `| \`${name}\` | ${type} | ${help} |`,
  );
  assert.deepEqual(read('docs/monitoring.md').match(/^\| `k8s_lease_lock_.*$/gm), served);
});

test('the panels of the dashboard lie beside each other, ask the chosen data source, and say what they show', () => {
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  assert.equal(new Set(cells).size, cells.length, 'no panel lies on another');
  assert.ok(dashboard.panels.every(({ gridPos }) => gridPos.x + gridPos.w <= 24));
  assert.deepEqual(
    dashboard.panels.map(({ id }) => id),
    dashboard.panels.map((_, i) => i + 1),
  );
  for (const { title, description, datasource, targets } of dashboard.panels) {
    assert.ok(title && description && datasource.uid === CHOSEN, title);
    for (const { expr } of targets)
      assert.ok(expr.includes('{lock_namespace=~"$lock_namespace", lock=~"$lock"}'), `${title} follows the choice above it`);
  }
  assert.deepEqual(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'lock_namespace', 'lock'],
  );
  assert.equal(dashboard.links[0]?.url, documentAt('monitoring.md'));
});

checked('promtool reads the rules, and every query of the dashboard', async (t) => {
  const recorded = queries.map((expr, i) => ({ record: `query:${i}`, expr }));
  const file = join(tempFolder(t), 'queries.yaml');
  writeFileSync(file, stringify({ groups: [{ name: 'queries', rules: recorded }] }));
  const found = await tool?.('check', 'rules', '--lint=all', '--lint-fatal', join(root, FOLDER, 'rules.yaml'), file);
  assert.match(found ?? '', new RegExp(`SUCCESS: ${rules.length} rules found[^]*SUCCESS: ${recorded.length} rules found`));
  writeFileSync(file, stringify({ groups: [{ name: 'queries', rules: [{ record: 'query:0', expr: 'sum by (' }] }] }));
  await assert.rejects(async () => tool?.('check', 'rules', file));
});

checked('every query of the dashboard has an answer, from what a real guard serves', async (t) => {
  const { series } = await scrape(t);
  const folder = tempFolder(t);
  // `absent` is empty where there is something. What asks for those who wait has no answer from one that holds.
  const answered = queries.filter((expr) => !expr.includes('waiting') || expr.startsWith('sum'));
  assert.ok(answered.length >= queries.length - 2);
  const tests = {
    evaluation_interval: '15s',
    tests: [
      {
        interval: '15s',
        input_series: series.map(({ series: name, value }) => ({ series: name, values: `${value}x300` })),
        promql_expr_test: answered.map((expr) => ({ expr: `absent(${expr})`, eval_time: '1h', exp_samples: [] })),
      },
    ],
  };
  const file = join(folder, 'answers.yaml');
  writeFileSync(file, stringify(tests));
  assert.match((await tool?.('test', 'rules', file)) ?? '', /SUCCESS/);
});

checked('the alerts fire when they should, and only then', async () => {
  const cases = join(root, 'test/docs/promtool/alerts.yaml');
  assert.match((await tool?.('test', 'rules', cases)) ?? '', /SUCCESS/);
  const covered = [...read('test/docs/promtool/alerts.yaml').matchAll(/alertname: (\w+)/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(covered)].sort(), rules.map(({ alert }) => alert).sort());
});

test('the rules for the operator are the same, each alert has its row, and each runbook exists', () => {
  const text = read(`${FOLDER}/prometheus-rule.yaml`);
  assert.deepEqual(parse(text).spec, parse(read(`${FOLDER}/rules.yaml`)));
  const rows = [...read('docs/monitoring.md').matchAll(/^\| `(LeaseLock\w+)` \| (\w+) \|/gm)].map(([, ...row]) => row);
  assert.deepEqual(
    rows,
    rules.map(({ alert, labels }) => [alert, labels.severity]),
  );
  for (const { alert, annotations } of rules) {
    const [page = '', anchor = ''] = (annotations.runbook_url ?? '').split('#');
    assert.equal(page, documentAt('troubleshooting.md'), alert);
    assert.ok(anchorsOf('docs/troubleshooting.md').includes(anchor), alert);
  }
});

test('the PodMonitor finds the sidecar that inject adds, on its port', async (t) => {
  const [sidecars, wrapped] = parse(read(`${FOLDER}/pod-monitor.yaml`)).spec.podMetricsEndpoints;
  const [keep, ...addresses] = sidecars.relabelings;
  const job = parse(await injected(read('examples/kubernetes/pod.yaml'), tempFolder(t)));
  const { initContainers } = job.spec.template.spec;
  const sidecar = initContainers.find(({ args = [] }: { args?: string[] }) => args[0] === 'hold');
  assert.match(sidecar.name, new RegExp(`^(?:${keep.regex})$`));
  for (const { replacement } of addresses) assert.ok(replacement.endsWith(`:${STATUS_PORT}`));
  const addressOf = (ip: string) =>
    addresses
      .filter(({ regex }: { regex: string }) => new RegExp(`^(?:${regex})$`).test(ip))
      .map(({ replacement }: { replacement: string }) => replacement.replace('$1', ip));
  assert.deepEqual([addressOf('10.0.0.7'), addressOf('fd00::7')], [[`10.0.0.7:${STATUS_PORT}`], [`[fd00::7]:${STATUS_PORT}`]]);
  const { env, ports } = parse(fences('docs/monitoring.md', 'text')[1] ?? '');
  assert.deepEqual(ports, [{ name: wrapped.port, containerPort: STATUS_PORT }]);
  assert.deepEqual(env, [{ name: 'K8S_LEASE_LOCK_STATUS_PORT', value: String(STATUS_PORT) }]);
});

real('a real API server with the definitions of the operator accepts what kustomize makes of the folder', async (t) => {
  const { cluster, kubectl, accepts } = await judge(['github.com/prometheus-operator/prometheus-operator']);
  await kubectl('create', 'namespace', 'monitoring');
  const [line = ''] = fences('docs/monitoring.md', 'text');
  const words = line.trim().split(' ').slice(1);
  assert.deepEqual(words, ['apply', '-k', FOLDER, '--namespace', 'monitoring']);
  const options = { cwd: root, env: { ...process.env, KUBECONFIG: cluster.kubeconfig } };
  const { stdout } = await promisify(execFile)(cluster.kubectl, words, options);
  assert.match(stdout, /configmap\S+ created\n(?:pod\S+|prometheus\S+) created\n(?:pod\S+|prometheus\S+) created/);
  const built = parseAllDocuments(await kubectl('kustomize', join(root, FOLDER))).map((document) => document.toJS());
  const config = built.find(({ kind }) => kind === 'ConfigMap');
  assert.deepEqual(JSON.parse(config.data['dashboard.json']), dashboard);
  const wrong = join(tempFolder(t), 'wrong.yaml');
  writeFileSync(wrong, read(`${FOLDER}/pod-monitor.yaml`).replace('interval:', 'intervals:'));
  await assert.rejects(accepts(wrong), /unknown field/);
});
