/**
 * YAML as kubectl's own parser reads it: texts that were changed by chance, which both take for the same, or refuse. Where ours is stricter than that
 * parser, or takes what it refuses, is listed with the reason.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { readYaml } from '../../src/api/go-yaml.ts';
import { clientcmd } from '../cluster/binaries.ts';
import { runsOf } from '../harness/runs.ts';

const program = await clientcmd();

type Read = { refused: string } | { body: unknown };

async function goReads(texts: string[]): Promise<Read[]> {
  return await new Promise((resolve, reject) => {
    const child = execFile(String(program), ['--yaml'], { maxBuffer: 256 << 20 }, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout)),
    );
    child.stdin?.end(JSON.stringify(texts.map((text) => Buffer.from(text).toString('base64'))));
  });
}

function ours(text: string): Read {
  try {
    return { body: JSON.parse(JSON.stringify(readYaml(Buffer.from(text)))) };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

const SEEDS = [
  `apiVersion: v1
kind: Config
current-context: x
# comment
clusters:
- name: x
  cluster:
    server: https://h:6443   # c
    insecure-skip-tls-verify: yes
    certificate-authority-data: >-
      YWJj
      ZGVm
users:
- name: x
  user:
    token: "abc\\n\\x41"
    exec: {command: aws, args: [eks, 'get-token', --x=1], env: null}
contexts: [{name: x, context: {cluster: x, user: x}}]
`,
  'a: &x {b: 1, c: [1,2]}\nd: *x\ne:\n  <<: *x\n  b: 3\nf: |\n  line\n    two\n\ng: >+\n  folded\n  text\n\nh: \'it\'\'s\'\n',
  '{"a": 1, "b": [true, null], "c": {"d": "e\\u00e9"}}',
  '---\na: 1\n...\n---\nb: 2\n',
  '%YAML 1.1\n---\na: !!str 1\nb: !!int "3"\nc: !!binary YWJj\n',
];
const BITS = [
  ...['\t', ' ', '\n', '\r\n', ':', ': ', '- ', '#', ' #', '"', "'", '|', '>', '&a ', '*a', '<<: ', '{', '}', '[', ']', ',', '~'],
  ...['yes', '0x1F', '017', '1_0', '.5', '-', '!!str ', '%', '@', '`', '---\n', '...\n', '\u0085', '\ufeff', '\0', 'é', '0b1', '1e3'],
  ...['.inf', 'on', '=', 'null', '\\', 'x', '08', '+1', '0o7', '12:30', '2024-01-31', '1.', '-.5'],
];

const changed: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2), fc.constantFrom('', ...BITS)), { maxLength: 2 }),
  )
  .map(([seed, edits]) =>
    edits.reduce((text, [where, gone, bit]) => {
      const at = Math.floor(where * text.length);
      return text.slice(0, at) + bit + text.slice(at + gone);
    }, seed),
  );

test('a text that anybody could have written says the same to both', {
  skip: typeof program === 'string' ? false : program.missing,
}, async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const texts = fc.sample(changed, { numRuns: runsOf(3000), seed });
  const expected = await goReads(texts);
  const kinds = { same: 0, refusedByBoth: 0, stricter: 0, differs: [] as string[] };
  texts.forEach((text, i) => {
    const [mine, theirs] = [ours(text), expected[i] as Read];
    const both = `${JSON.stringify(text)}\n  go: ${JSON.stringify(theirs)}\n  us: ${JSON.stringify(mine)}`;
    if ('refused' in mine && 'refused' in theirs) kinds.refusedByBoth += 1;
    else if ('refused' in mine) kinds.stricter += 1;
    else if ('refused' in theirs) kinds.differs.push(`LENIENT ${both}`);
    else if (JSON.stringify(sorted(mine.body)) === JSON.stringify(sorted(theirs.body))) kinds.same += 1;
    else kinds.differs.push(`DIFFERS ${both}`);
    if ('refused' in mine && !('refused' in theirs)) console.log('STRICT', both);
  });
  console.log(kinds.same, kinds.refusedByBoth, kinds.stricter, kinds.differs.length);
  console.log(kinds.differs.join('\n'));
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
