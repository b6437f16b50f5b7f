/**
 * No file is longer than what can be held in mind, no function longer than a screen. Tables are: they are read by rows. A function is found by the
 * layout that the formatter gives to it; a `describe` is a chapter of tests, and no function.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FILE_LINES = 250;
const FUNCTION_LINES = 50;

/** Read by rows, so that length is no burden. */
const TABLES: Record<string, string> = {
  'test/protocol/rules.test.ts': 'the law: one row for each situation, with the decision that follows',
  'src/api/answers.ts': 'answerOf: one case for each status, with what it means',
};

const root = fileURLToPath(new URL('..', import.meta.url));
const files = globSync(['*.mjs', '{src,image,action,test}/**/*.{ts,mjs}'], {
  cwd: root,
  exclude: (path) => /(^|\/)(dist|node_modules)$/.test(path),
}).sort();

interface Found {
  name: string;
  lines: number;
}

/** Every function with a body of its own lines, the innermost, too. */
function functionsIn(text: string): Found[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const [, indent = '', head = ''] = /^( *)(.*\S) *\{$/.exec(line) ?? [];
    const opens = /\bfunction\b|=>$|\)$|\): [^=]*$/.test(head) && !/^(?:\} )?(?:else|if|for|while|switch|catch)\b/.test(head);
    if (!opens) return [];
    const start = startOf(lines, i, indent);
    const first = lines[start]?.trim() ?? '';
    if (/^(?:describe|if|for|while|switch)\b/.test(first)) return [];
    // A branch of `a ? b : c` closes further in than it opens.
    const close = `${indent}${/^[?:] /.test(head) ? '  ' : ''}}`;
    const end = lines.findIndex((each, at) => at > i && each.startsWith(close));
    return end < 0 ? [] : [{ name: first.slice(0, 80), lines: end - start + 1 }];
  });
}

/** Where parameters have lines of their own, the name stands above them. */
function startOf(lines: readonly string[], at: number, indent: string): number {
  let start = at;
  while (start > 0 && /^[)}]/.test(lines[start]?.slice(indent.length) ?? '')) {
    start -= 1;
    while (start > 0 && !(lines[start]?.startsWith(indent) && lines[start]?.[indent.length] !== ' ')) start -= 1;
  }
  return start;
}

const tooLong = files.flatMap((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const count = text.split('\n').length - 1;
  const long = functionsIn(text).filter(({ lines }) => lines > FUNCTION_LINES);
  return [
    ...(count > FILE_LINES ? [{ path, what: `${path} has ${count} lines` }] : []),
    ...long.map(({ name, lines }) => ({ path, what: `${path}: ${lines} lines: ${name}` })),
  ];
});

const excused = Object.keys(TABLES);

test('the check sees functions of every kind', () => {
  const body = Array.from({ length: 3 }, (_, i) => `  const x${i} = 1;`).join('\n');
  const forms = [
    `export async function plain(a: A): Promise<B> {\n${body}\n}`,
    `export function tall(\n  a: A,\n  b: B,\n): C {\n${body}\n}`,
    `const arrow = ({ a }: A) => {\n${body}\n};`,
    `const wide = ({\n  a,\n}: A) => {\n${body}\n};`,
    `test('what it shows', async (t) => {\n${body}\n});`,
  ];
  const lengths = forms.map((text) => functionsIn(text).map(({ lines }) => lines));
  assert.deepEqual(lengths, [[5], [8], [5], [7], [5]]);
  const within = functionsIn('  async method(a) {\n    return 1;\n  }\n  x\n    ? (a) => {\n        f();\n      }\n    : g;');
  assert.deepEqual(
    within.map(({ lines }) => lines),
    [3, 3],
  );
  const others = [
    'if (a) {\n}',
    '} else if (b) {\n}',
    "describe('a chapter', () => {\n});",
    'interface A {\n}',
    'const a = {\n};',
  ];
  assert.deepEqual(others.flatMap(functionsIn), []);
});

test(`no file has more than ${FILE_LINES} lines, and no function more than ${FUNCTION_LINES}, tables excepted`, () => {
  assert.ok(files.includes('src/lock/acquire.ts') && files.includes('test/architecture-size.test.ts') && files.length > 250);
  const wrong = tooLong.filter(({ path }) => !excused.includes(path));
  assert.deepEqual(
    wrong.map(({ what }) => what),
    [],
  );
});

test('nothing is excused that needs no excuse', () => {
  const needless = excused.filter((entry) => !tooLong.some(({ path }) => path === entry));
  assert.deepEqual(needless, []);
});
