/**
 * The workflows that users copy, those in examples/ and in the documentation: actionlint finds nothing wrong with them, and every input and
 * output that they use is in action.yml. For that the published name is replaced by `./`, whose action.yml actionlint reads.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { tempFolder } from '../harness/guards.ts';
import { ACTION } from './lab.ts';
import { workflowTools } from './tools/tools.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PUBLISHED = 'nullplatform/k8s-lease-lock@v1';
const tools = await workflowTools();
const linted = tools ? test : test.skip; // said by workflowTools(), and a failure under CI

interface Workflow {
  from: string;
  text: string;
}

function workflowsIn(folder: string): Workflow[] {
  const names = readdirSync(join(ROOT, folder)).filter((name) => /\.ya?ml$/.test(name));
  return names.map((name) => ({ from: `${folder}/${name}`, text: readFileSync(join(ROOT, folder, name), 'utf8') }));
}

/** Steps alone are put into a job. */
function fences(): Workflow[] {
  const documents = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  );
  return documents.flatMap((document) => {
    const found = readFileSync(join(ROOT, document), 'utf8').matchAll(/^```ya?ml\n([\s\S]*?)^```/gm);
    return [...found].flatMap(([, text = ''], index) => {
      if (!text.includes(`uses: ${PUBLISHED}`)) return [];
      return [{ from: `${document} #${index + 1}`, text: Array.isArray(parse(text)) ? jobOf(text) : text }];
    });
  });
}

function jobOf(steps: string): string {
  const indented = steps.replace(/^(?=.)/gm, '      ');
  return `on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n${indented}`;
}

/** What actionlint says of these, by the place that each is from. */
async function lint(t: TestContext, workflows: Workflow[]): Promise<string[]> {
  const folder = tempFolder(t);
  mkdirSync(join(folder, '.git'));
  mkdirSync(join(folder, '.github', 'workflows'), { recursive: true });
  copyFileSync(join(ACTION, 'action.yml'), join(folder, 'action.yml'));
  cpSync(join(ACTION, 'action', 'dist'), join(folder, 'action', 'dist'), { recursive: true });
  // Whatever somebody calls his own runners is right.
  writeFileSync(join(folder, '.github', 'actionlint.yaml'), 'self-hosted-runner:\n  labels: [arc-runner-set]\n');
  const files = workflows.map(({ text }, index) => {
    const file = join('.github', 'workflows', `${index}.yml`);
    writeFileSync(join(folder, file), text.replaceAll(PUBLISHED, './'));
    return file;
  });
  // Only what every machine has: there may be a shellcheck, or none.
  const args = ['-no-color', '-oneline', '-shellcheck=', '-pyflakes=', ...files];
  const said = await new Promise<string>((resolve, reject) => {
    execFile(tools?.actionlint ?? '', args, { cwd: folder }, (error, stdout, stderr) => {
      // 1 is that there is something to say.
      if (error && error.code !== 1) reject(new Error(stderr));
      else resolve(stdout);
    });
  });
  return said
    .split('\n')
    .filter(Boolean)
    .map((line) => line.replace(/^\.github\/workflows\/(\d+)\.yml/, (_, index) => workflows[Number(index)]?.from ?? ''));
}

linted('actionlint finds nothing wrong with the examples, the workflows of the documentation, and our own', async (t) => {
  const all = [...workflowsIn('examples'), ...workflowsIn('.github/workflows'), ...fences()];
  assert.ok(
    all.some(({ from }) => from.startsWith('README.md')),
    'README.md shows a workflow',
  );
  assert.ok(
    all.some(({ from }) => from.startsWith('examples/')),
    'there are examples',
  );
  for (const { from, text } of all) assert.match(text, /^on:/m, from);
  assert.deepEqual(await lint(t, all), []);
});

linted('actionlint reads action.yml: a wrong input, a missing one and an unknown output are found', async (t) => {
  const wrong = `- uses: ${PUBLISHED}
  id: lock
  with:
    nmae: deploy
- run: echo \${{ steps.lock.outputs.aquired }}
`;
  const said = await lint(t, [{ from: 'wrong', text: jobOf(wrong) }]);
  const words = said.join('\n');
  assert.equal(said.length, 3, words);
  assert.match(words, /input "nmae" is not defined/);
  assert.match(words, /missing input "name"/);
  assert.match(words, /property "aquired" is not defined/);
});

test('every input and output of action.yml is explained in docs/action.md', () => {
  const { inputs, outputs } = parse(readFileSync(join(ACTION, 'action.yml'), 'utf8')) as Record<
    'inputs' | 'outputs',
    Record<string, object>
  >;
  const document = readFileSync(join(ROOT, 'docs', 'action.md'), 'utf8');
  const absent = [...Object.keys(inputs), ...Object.keys(outputs)].filter((name) => !document.includes(`\`${name}\``));
  assert.deepEqual(absent, []);
});
