/**
 * README and docs/ are correct: tables come from code, links and anchors exist, every example runs, and the text is plain English. With
 * UPDATE_DOCS=1 the tables are written again.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import type { Option } from '../image/command-line.ts';
import { HOLD_OPTIONS, readHoldCommandLine } from '../image/commands/hold.ts';
import { RUN_OPTIONS } from '../image/commands/run.ts';
import { EXIT } from '../image/exit-codes.ts';
import { parseLease } from '../src/protocol/document.ts';
import { startLeaseServer } from '../src/server/server.ts';
import { BUNDLE, guard, tempFolder } from './harness/guards.ts';
import { missing, real, realCluster } from './harness/real.ts';
import { until } from './harness/until.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })];
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const TABLES: Record<string, { file: string; make(): string }> = {
  options: { file: 'README.md', make: () => optionsTable(RUN_OPTIONS) },
  'hold-options': { file: 'docs/sidecar.md', make: () => optionsTable(HOLD_OPTIONS) },
  'exit-codes': {
    file: 'README.md',
    make: () =>
      table(
        ['code', 'when'],
        Object.values(EXIT).map(({ code, when }) => [String(code), when]),
      ),
  },
  inputs: {
    file: 'docs/action.md',
    make: () =>
      table(
        ['input', '', 'default'],
        entriesOf('inputs').map(({ name, description, required, otherwise }) => [
          `\`${name}\`${required ? ' (required)' : ''}`,
          description,
          otherwise,
        ]),
      ),
  },
  outputs: {
    file: 'docs/action.md',
    make: () =>
      table(
        ['output', ''],
        entriesOf('outputs').map(({ name, description }) => [`\`${name}\``, description]),
      ),
  },
};

function optionsTable(options: readonly Option[]): string {
  const rows = options.map(({ name, alias, value, choices, default: preset, unset, meaning }) => {
    const written = choices ? choices.join('\\|') : value;
    return [`${alias ? `\`-${alias}\`, ` : ''}\`--${name}\`${written ? ` ${written}` : ''}`, meaning, preset ?? unset ?? ''];
  });
  return table(['option', '', 'default'], rows);
}

/** What action.yml says of each input or output. Its layout is plain: two spaces for a name, four for what is said of it. */
function entriesOf(section: 'inputs' | 'outputs') {
  const [, block = ''] = new RegExp(`^${section}:\n((?: .*\n)+)`, 'm').exec(read('action.yml')) ?? [];
  return [...block.matchAll(/^ {2}(\S+):\n((?: {4}.*\n)+)/gm)].map(([, name = '', fields = '']) => {
    const field = (key: string) => new RegExp(`^ {4}${key}: (.*)$`, 'm').exec(fields)?.[1]?.replace(/^"(.*)"$/, '$1') ?? '';
    return { name, description: field('description'), required: field('required') === 'true', otherwise: field('default') };
  });
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

for (const [name, { file, make }] of Object.entries(TABLES)) {
  test(`the table of ${name} in ${file} is that of the code`, () => {
    const [before = '', rest = ''] = read(file).split(`<!-- ${name} -->`);
    const [found = '', after = ''] = rest.split(`<!-- /${name} -->`);
    if (process.env.UPDATE_DOCS)
      writeFileSync(join(root, file), `${before}<!-- ${name} -->\n${make()}\n<!-- /${name} -->${after}`);
    else assert.equal(found.trim(), make(), 'run the tests once with UPDATE_DOCS=1');
  });
}

test('the code reads the inputs that action.yml names, and no others', () => {
  const reads = [...read('action/inputs.ts').matchAll(/\b(?:text|valid|choice|duration|integer)\('([a-z-]+)'/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(
    [...new Set(reads)].sort(),
    entriesOf('inputs')
      .map(({ name }) => name)
      .sort(),
  );
  const outputs = /const outputs = \{([\s\S]*?)\n {2}\};/.exec(read('action/report.ts'))?.[1] ?? '';
  const sets = [...outputs.matchAll(/^ {4}'?([a-z-]+)'?[:,]/gm)].map(([, name]) => name);
  assert.deepEqual(
    sets.sort(),
    entriesOf('outputs')
      .map(({ name }) => name)
      .sort(),
  );
});

const anchorsOf = (path: string) =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replace(/ /g, '-'),
  );

test('every link between documents leads somewhere', () => {
  const wrong = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([, target = '', anchor]) => {
      const file = target === '' ? path : join(dirname(path), target);
      const there = globSync(file, { cwd: root }).length > 0 && (anchor === undefined || anchorsOf(file).includes(anchor));
      return there ? [] : [`${path}: ${target}#${anchor}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test('every document that an error quotes is there', () => {
  const sources = globSync(['src/**/*.ts', 'image/**/*.ts', 'action/*.ts'], { cwd: root });
  const quoted = sources.flatMap((path) =>
    [...read(path).matchAll(/(docs\/[a-z-]+\.md)(?:#([a-z-]+))?/g)].map(([, file = '', anchor]) => ({ path, file, anchor })),
  );
  assert.ok(quoted.length >= 5);
  const wrong = quoted.filter(
    ({ file, anchor }) => !documents.includes(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor)),
  );
  assert.deepEqual(wrong, []);
});

/**
 * Words that readers of an early text stumbled over: idioms, pictures, a machine as a person, and expressions with two meanings ("at once" is
 * immediately or at the same time).
 */
const BANNED = [
  /\b(?:is|are|be) none\b/i,
  /(?<!there )\bis no (?:name|namespace|duration|folder|lock|cluster)\b/i,
  /\bfor ever\b/i,
  /\bat once\b/i,
  /\bcan not\b/i,
  /\bby its word\b/i,
  /\banew\b/i,
  /\b(?:given?|gives|gave|giving)(?: \w+){0,2} back\b/i,
  /\blets? (?:it |them )?go\b/i,
  /\bdeaf\b/i,
  /\bdoors?\b/i,
  /\b(?:he|him|his|she|her)\b/,
  /\b(?:I|we|us|our|ours|my|mine)\b/,
  /\b[Ww]hoever\b/,
  /\b(?:tells?|told|says no|heard?)\b/,
  /(?:^|[.!?] )Who \w+/,
  /\?(?:\s|$)/,
];
/** From code, where the words of other places are looked after. */
const GENERATED = ['options', 'hold-options', 'exit-codes', 'annotations', 'faults', 'mutants'];

/** The text that people read: no code blocks, no code spans, no tables that come from code; a line stays a line. */
function prose(path: string): string[] {
  const without = GENERATED.map((name) => new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`, 'g'));
  const blank = (text: string, pattern: RegExp) => text.replace(pattern, (found) => found.replace(/[^\n]/g, ''));
  const text = [...without, /^ *```[\s\S]*?^ *```/gm].reduce(blank, read(path));
  return path.endsWith('.md') ? text.replace(/`[^`\n]*`/g, '').split('\n') : text.split('\n');
}

test('the documents are written in plain English', () => {
  const files = ['README.md', 'CHANGELOG.md', 'action.yml', ...documents.filter((path) => path.startsWith('docs/'))];
  const found = files
    .filter((path) => path !== 'docs/api.md')
    .flatMap((path) =>
      prose(path).flatMap((line, i) =>
        BANNED.filter((word) => word.test(line)).map((word) => `${path}:${i + 1}: ${word.exec(line)?.[0]}: ${line}`),
      ),
    );
  assert.deepEqual(found, []);
});

/** Exceptions cannot be broken: a row of a table, what a program prints, a link that is longer than the line. */
test('no line of a document is longer than 120 characters, so that a diff can be read', () => {
  const files = globSync('**/*.md', { cwd: root, exclude: (path) => /^(node_modules|dist)$/.test(path) });
  assert.ok(files.includes('README.md') && files.includes('docs/safety.md') && files.includes('docs/evidence.md'));
  const long = files
    .filter((path) => path !== 'docs/api.md')
    .flatMap((path) => {
      const printed = read(path).replace(/^```text\n(?:k8s-lease-lock: .*\n)+```/gm, (found) => found.replace(/[^\n]/g, ''));
      return printed.split('\n').flatMap((line, i) => {
        const breakable = !line.startsWith('|') && !/^\s*\S+$/.test(line.replace(/\[[^\]]*\]\([^)]*\)/g, 'link'));
        return line.length > 120 && breakable ? [`${path}:${i + 1}: ${line.length}`] : [];
      });
    });
  assert.deepEqual(long, []);
});

const fences = (path: string, language: string) =>
  [...read(path).matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text);

test('the commands in README are those of package.json', () => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
  const used = fences('README.md', 'sh').flatMap((text) =>
    [...text.matchAll(/npm (?:run )?(\w+)$/gm)].map(([, name = '']) => name),
  );
  assert.deepEqual(used, ['demo', 'test']);
  for (const name of used) assert.ok(scripts[name], name);
});

/** A folder with the program, kubectl, and stand-ins for what the examples run, and a cluster to run them on. */
async function workshop(t: TestContext): Promise<{ run(line: string): Promise<{ stdout: string; stderr: string }> }> {
  const folder = tempFolder(t);
  const server = await startLeaseServer();
  t.after(() => server.close());
  const kubectl = missing ? 'true' : (await realCluster()).kubectl;
  const script = (name: string, text: string) => writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  script('k8s-lease-lock', `exec ${process.execPath} ${BUNDLE} "$@"`);
  script('kubectl', `exec ${kubectl} "$@"`);
  for (const name of ['deploy.sh', 'backup.sh']) script(name, `echo ran ${name} "$@"`);
  const contexts = [{ name: 'x', context: { cluster: 'x', user: 'x' } }];
  writeFileSync(
    join(folder, 'kubeconfig'),
    JSON.stringify({
      'current-context': 'x',
      contexts,
      clusters: [{ name: 'x', cluster: { server: server.url } }],
      users: [{ name: 'x', user: {} }],
    }),
  );
  const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: join(folder, 'kubeconfig'), HOME: folder };
  const here = (line: string) => line.replaceAll('http://127.0.0.1:8001', server.url);
  return { run: (line) => promisify(execFile)('sh', ['-c', here(line)], { cwd: folder, env, timeout: 30_000 }) };
}

test('every example of a command runs', async (t) => {
  const lines = documents.flatMap((path) => fences(path, 'sh').flatMap((text) => text.trim().split('\n')));
  const examples = lines.filter((line) => !line.startsWith('npm ci') && !line.includes('k8s-lease-lock serve'));
  assert.ok(examples.length >= 5);
  const { run } = await workshop(t);
  for (const line of examples) {
    const { stdout } = await run(line);
    if (line.includes('.sh')) assert.match(stdout, /^ran (deploy|backup)\.sh/, line);
  }
});

real('the Role in docs/rbac.md is accepted by a real API server', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('rbac');
  const [yaml = ''] = fences('docs/rbac.md', 'yaml');
  const file = join(tempFolder(t), 'rbac.yaml');
  writeFileSync(file, yaml.replaceAll('namespace: ci', `namespace: ${namespace}`));
  const { stdout } = await promisify(execFile)(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'create', '-f', file]);
  assert.match(stdout, /role\S+ created\nrolebinding\S+ created/);
});

/** Every workload that the documents show, as a manifest; in README the fields of a Pod stand alone. */
function workloads(): { from: string; text: string }[] {
  const [annotated = '', ...parts] = fences('README.md', 'yaml').filter((text) => !text.startsWith('- uses'));
  const pods = parts.map(
    (part, i) => `apiVersion: v1\nkind: Pod\nmetadata: {name: pod-${i}}\nspec:\n${part.replace(/^/gm, '  ')}`,
  );
  const examples = globSync('examples/kubernetes/*.yaml', { cwd: root });
  assert.ok(pods.length === 2 && examples.length >= 5);
  return [
    ...[annotated, ...pods].map((text) => ({ from: 'README.md', text })),
    ...examples.map((path) => ({ from: path, text: read(path) })),
    ...['docs/image.md', 'docs/sidecar.md', 'docs/inject.md'].flatMap((path) =>
      fences(path, 'yaml').map((text) => ({ from: path, text })),
    ),
  ];
}

/** In the namespaces of a test, in place of those in the documents. */
const placed = (text: string, { ci, locks }: { ci: string; locks: string }) =>
  text
    .replaceAll('namespace: ci', `namespace: ${ci}`)
    .replaceAll('nightly-ci-default', `nightly-${ci}-default`)
    .replaceAll(/(namespace: |--namespace, )locks\b/g, `$1${locks}`);

async function injected(text: string, folder: string): Promise<string> {
  const file = join(folder, 'original.yaml');
  writeFileSync(file, text);
  return (await promisify(execFile)(process.execPath, [BUNDLE, 'inject', '-f', file])).stdout;
}

real(
  'the workloads in README, docs/ and examples/ are accepted by a real API server, and so is what inject makes of them',
  async (t) => {
    const cluster = await realCluster();
    const namespace = await cluster.namespace('image');
    const names = { ci: namespace, locks: await cluster.namespace('locks') };
    await cluster.serviceAccountToken({ namespace, name: 'default' });
    assert.ok(workloads().length >= 10);
    const folder = tempFolder(t);
    const kubeconfig = cluster.kubeconfigFor(cluster.adminToken, namespace);
    const create = async (text: string) => {
      const file = join(folder, 'workload.yaml');
      writeFileSync(file, placed(text, names));
      const line = ['--kubeconfig', kubeconfig, 'create', '--validate=strict', '-f', file];
      return (await promisify(execFile)(cluster.kubectl, [...line, '--dry-run=server'])).stdout;
    };
    for (const { text } of workloads()) {
      assert.match(await create(text), /created/, text);
      const guarded = await injected(text, folder);
      assert.equal(guarded !== text, /^ +lease-lock\.nullplatform\.com\/name:/m.test(text), text);
      assert.match(await create(guarded), /created/, guarded);
    }
  },
);

interface Container {
  command?: string[];
  args?: string[];
  env?: { name: string; value: string }[];
}

interface PodSpec {
  initContainers?: Container[];
  containers: Container[];
}

/** The guard in a Pod: its arguments, with a command of ours in place of the workload's, and its environment. */
function guardIn({ initContainers = [], containers }: PodSpec): { args: string[]; env: Record<string, string> } {
  for (const { command = [], args = [], env = [] } of [...initContainers, ...containers]) {
    const line = [...command, ...args].filter((word) => word !== '/lease-lock/k8s-lease-lock');
    const workload = line[0] === 'run' ? [...line.slice(0, line.indexOf('--') + 1), 'sleep', '60'] : line;
    if (line[0] === 'run' || line[0] === 'hold')
      return { args: workload, env: Object.fromEntries(env.map(({ name, value }) => [name, value])) };
  }
  assert.fail('no container runs the guard');
}

real('the workloads in README, docs/image.md, docs/sidecar.md and examples/ share one lock across namespaces', async (t) => {
  const cluster = await realCluster();
  const locks = await cluster.namespace('locks');
  const teams = [await cluster.namespace('team-a'), await cluster.namespace('team-b')];
  const folder = tempFolder(t);
  const kubectl = async (kubeconfig: string, text: string, ...options: string[]) => {
    const file = join(folder, 'manifest.yaml');
    writeFileSync(file, text);
    const line = ['--kubeconfig', kubeconfig, 'apply', '--server-side', '-f', file, ...options];
    return (await promisify(execFile)(cluster.kubectl, line)).stdout;
  };
  const held = async () => {
    const lists = [locks, ...teams].map(async (namespace) => {
      const { body } = await cluster.request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`);
      return (body as { items: { metadata: { name: string }; spec: { holderIdentity?: string } }[] }).items
        .filter(({ spec }) => spec.holderIdentity)
        .map(({ metadata }) => `${namespace}/${metadata.name}`);
    });
    return (await Promise.all(lists)).flat();
  };
  const shared = workloads().filter(({ from, text }) => from !== 'docs/inject.md' && /^kind: (Pod|Job|CronJob)$/m.test(text));
  assert.ok(shared.length >= 9);
  for (const ci of teams) {
    const token = await cluster.serviceAccountToken({ namespace: ci, name: 'default' });
    const kubeconfig = cluster.kubeconfigFor(token, ci);
    await kubectl(cluster.kubeconfig, placed(read('examples/kubernetes/lock.yaml'), { ci, locks }));
    for (const [i, { from, text }] of shared.entries()) {
      const manifest = await injected(placed(text, { ci, locks }), folder);
      const admin = cluster.kubeconfigFor(cluster.adminToken, ci);
      const { spec } = JSON.parse(await kubectl(admin, manifest, '--dry-run=server', '-o', 'json'));
      const template = spec.jobTemplate?.spec.template ?? spec.template ?? { spec };
      const { args, env } = guardIn(template.spec);
      const files = args[0] === 'hold' && { K8S_LEASE_LOCK_DIR: folder, K8S_LEASE_LOCK_STATUS_PORT: '0' };
      const pod = guard(t, args, { env: { ...env, ...files, KUBECONFIG: kubeconfig } });
      let ended = false;
      void pod.finished.then(() => {
        ended = true;
      });
      let taken: string[] = [];
      await until(async () => {
        taken = await held();
        return taken.length > 0 || ended;
      }, `the guard of ${from} (${i}) holds its lock`);
      assert.deepEqual(taken, [`${locks}/nightly`], `${from} (${i}) in ${ci}: ${pod.stderr}`);
      pod.kill('SIGTERM');
      await pod.finished;
    }
  }
});

test('examples/kubernetes/lock.yaml is what rbac prints', async () => {
  const args = ['rbac', '--name', 'nightly', '--namespace', 'locks', '--for', 'serviceaccount:ci/default'];
  const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE, ...args]);
  const objects = (text: string) => parseAllDocuments(text).map((document) => document.toJS());
  assert.deepEqual(objects(read('examples/kubernetes/lock.yaml')), objects(stdout));
});

test('the sum in docs/sidecar.md is the one that hold makes', () => {
  const rows = [...read('docs/sidecar.md').matchAll(/^\| .* \| ([\d.]+) s \|$/gm)].map(([, seconds]) => Number(seconds));
  const sum = rows.pop();
  assert.equal(rows.reduce((total, seconds) => total + seconds, 0).toFixed(1), sum?.toFixed(1));
  const line = readHoldCommandLine(['--name', 'x', '--pod-grace', '30s'], {});
  assert.ok(line.kind === 'settings');
  const { durationMs, renewEveryMs, requestTimeoutMs, killBudgetMs, marginMs } = line.settings.timings;
  assert.equal((renewEveryMs + 2 * requestTimeoutMs + killBudgetMs + marginMs) / 1000, sum);
  assert.match(read('docs/sidecar.md'), new RegExp(`so that ${durationMs / 1000}s is the shortest`));
});

test('the document in docs/protocol.md is one that the program reads', () => {
  const [yaml = ''] = fences('docs/protocol.md', 'yaml');
  const { metadata, spec } = parse(yaml);
  const parsed = parseLease({ metadata: { ...metadata, name: 'x', namespace: 'y' }, spec });
  assert.ok(parsed.kind === 'state');
  const { holders, waiters, next, unreadable } = parsed.state;
  assert.deepEqual([holders.map(({ standing }) => standing), waiters.length, next, unreadable], [['holds'], 1, 19, []]);
});
