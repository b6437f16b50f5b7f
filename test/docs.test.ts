/**
 * What README and docs/ say, held against what is: tables come from code, links and anchors lead somewhere, and every example is run. With
 * UPDATE_DOCS=1 the tables are written anew.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Option } from '../image/command-line.ts';
import { HOLD_OPTIONS, readHoldCommandLine } from '../image/commands/hold.ts';
import { RUN_OPTIONS } from '../image/commands/run.ts';
import { EXIT } from '../image/exit-codes.ts';
import { parseLease } from '../src/protocol/document.ts';
import { startLeaseServer } from '../src/server/server.ts';
import { useCluster } from './harness/cluster.ts';
import { BUNDLE, tempFolder } from './harness/guards.ts';

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
  const kubectl = (await useCluster())?.kubectl ?? 'true';
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

test('the Role in docs/rbac.md is accepted by a real API server', async (t) => {
  const cluster = await useCluster();
  if (!cluster) return t.skip('no real API server here; CI has one');
  const namespace = await cluster.namespace('rbac');
  const [yaml = ''] = fences('docs/rbac.md', 'yaml');
  const file = join(tempFolder(t), 'rbac.yaml');
  writeFileSync(file, yaml.replaceAll('namespace: ci', `namespace: ${namespace}`));
  const { stdout } = await promisify(execFile)(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'create', '-f', file]);
  assert.match(stdout, /role\S+ created\nrolebinding\S+ created/);
});

test('the workloads in README, docs/ and examples/ are accepted by a real API server, and so is what inject makes of them', async (t) => {
  const cluster = await useCluster();
  if (!cluster) return t.skip('no real API server here; CI has one');
  const namespace = await cluster.namespace('image');
  await cluster.serviceAccountToken({ namespace, name: 'default' });
  const [annotated = '', ...parts] = fences('README.md', 'yaml').filter((text) => !text.startsWith('- uses'));
  const pods = parts.map(
    (part, i) => `apiVersion: v1\nkind: Pod\nmetadata: {name: pod-${i}}\nspec:\n${part.replace(/^/gm, '  ')}`,
  );
  const examples = globSync('examples/kubernetes/*.yaml', { cwd: root }).map(read);
  const workloads = [
    annotated,
    ...pods,
    ...examples,
    ...['image', 'sidecar', 'inject'].flatMap((name) => fences(`docs/${name}.md`, 'yaml')),
  ];
  assert.ok(pods.length === 2 && examples.length >= 4 && workloads.length >= 10);
  const folder = tempFolder(t);
  const create = async (text: string) => {
    const file = join(folder, 'workload.yaml');
    writeFileSync(file, text.replaceAll('namespace: ci', `namespace: ${namespace}`));
    const line = ['--kubeconfig', cluster.kubeconfig, '-n', namespace, 'create', '--validate=strict', '-f', file];
    return (await promisify(execFile)(cluster.kubectl, [...line, '--dry-run=server'])).stdout;
  };
  for (const [i, text] of workloads.entries()) {
    assert.match(await create(text), /created/, text);
    const file = join(folder, `${i}.yaml`);
    writeFileSync(file, text);
    const { stdout: injected } = await promisify(execFile)(process.execPath, [BUNDLE, 'inject', '-f', file]);
    assert.equal(injected !== text, text.includes('lease-lock.nullplatform.com/name'), text);
    assert.match(await create(injected), /created/, injected);
  }
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
  const annotations = Object.fromEntries(
    [...yaml.matchAll(/^ {4}(\S+): '(.*)'$/gm)].map(([, key = '', value = '']) => [key, value]),
  );
  const [, holderIdentity = ''] = /holderIdentity: (\S+)/.exec(yaml) ?? [];
  const parsed = parseLease({ metadata: { name: 'x', namespace: 'y', annotations }, spec: { holderIdentity } });
  assert.ok(parsed.kind === 'state');
  const { holders, waiters, next, unreadable } = parsed.state;
  assert.deepEqual([holders.map(({ standing }) => standing), waiters.length, next, unreadable], [['holds'], 1, 19, []]);
});
