/**
 * What the documents say of options, exit codes, inputs and sums is what the code says. With UPDATE_DOCS=1 the tables are written again.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import * as hold from '../../image/commands/hold.ts';
import * as run from '../../image/commands/run.ts';
import * as status from '../../image/commands/status.ts';
import * as ui from '../../image/commands/ui.ts';
import * as unlock from '../../image/commands/unlock.ts';
import { EXIT } from '../../image/exit-codes.ts';
import type { Option } from '../../image/option.ts';
import { parseLease } from '../../src/protocol/document.ts';
import { COMPATIBLE, compatibilityTable } from './compatible.ts';
import { fences, read, root } from './documents.ts';

const TABLES: Record<string, { file: string; make(): string }> = {
  options: { file: 'README.md', make: () => optionsTable(run.SHAPE.options) },
  'hold-options': { file: 'docs/sidecar.md', make: () => optionsTable(hold.SHAPE.options) },
  'status-options': { file: 'docs/operate.md', make: () => optionsTable(status.SHAPES.status.options) },
  'ui-options': { file: 'docs/operate.md', make: () => optionsTable(ui.SHAPE.options) },
  'unlock-options': { file: 'docs/operate.md', make: () => optionsTable(unlock.SHAPE.options) },
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
  ...Object.fromEntries(
    Object.keys(COMPATIBLE).map((group) => [
      `compatible-${group}`,
      { file: 'docs/compatibility.md', make: () => compatibilityTable(group) },
    ]),
  ),
};

function optionsTable(options: readonly Option[]): string {
  const rows = options.map(({ name, alias, value, implied, choices, default: preset, unset, meaning }) => {
    const written = choices ? choices.join('\\|') : value;
    const spelled = written === undefined ? '' : implied === undefined ? ` ${written}` : `[=${written}]`;
    return [`${alias ? `\`-${alias}\`, ` : ''}\`--${name}\`${spelled}`, meaning, preset ?? unset ?? ''];
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
  const code = read('action/inputs.ts') + read('action/lock-names.ts');
  const reads = [...code.matchAll(/\b(?:text|valid|choice|duration|integer|flag)\('([a-z-]+)'/g)].map(([, name]) => name);
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

test('the sum in docs/sidecar.md is the one that hold makes', () => {
  const rows = [...read('docs/sidecar.md').matchAll(/^\| .* \| ([\d.]+) s \|$/gm)].map(([, seconds]) => Number(seconds));
  const sum = rows.pop();
  assert.equal(rows.reduce((total, seconds) => total + seconds, 0).toFixed(1), sum?.toFixed(1));
  const line = hold.readHoldCommandLine(['--name', 'x', '--pod-grace', '30s'], {});
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
