/**
 * YAML as kubectl's own parser reads it: texts that were changed by chance mean the same to both, or are refused by both; but for a few that no person
 * and no program writes.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
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
  "a: &x {b: 1, c: [1,2]}\nd: *x\ne:\n  <<: *x\n  b: 3\nf: |\n  line\n    two\n\ng: >+\n  folded\n  text\n\nh: 'it''s'\n",
  '{"a": 1, "b": [true, null], "c": {"d": "e\\u00e9"}}',
  '---\na: 1\n...\n---\nb: 2\n',
  '%YAML 1.1\n---\na: !!str 1\nb: !!int "3"\nc: !!binary YWJj\n',
];
const BITS = [
  ...['\t', ' ', '\n', '\r\n', ':', ': ', '- ', '#', ' #', '"', "'", '|', '>', '&a ', '*a', '<<: ', '{', '}', '[', ']', ',', '~'],
  ...[
    'yes',
    '0x1F',
    '017',
    '1_0',
    '.5',
    '-',
    '!!str ',
    '%',
    '@',
    '`',
    '---\n',
    '...\n',
    '\u0085',
    '\ufeff',
    '\0',
    'é',
    '0b1',
    '1e3',
  ],
  ...['.inf', 'on', '=', 'null', '\\', 'x', '08', '+1', '0o7', '12:30', '2024-01-31', '1.', '-.5'],
];

const changed: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.tuple(fc.noBias(fc.nat(999)), fc.nat(2), fc.constantFrom('', ...BITS)), { maxLength: 2 }),
  )
  .map(([seed, edits]) =>
    edits.reduce((text, [where, gone, bit]) => {
      const at = Math.floor((where * text.length) / 1000);
      return text.slice(0, at) + bit + text.slice(at + gone);
    }, seed),
  );

test('a text that anybody could have written says the same to both parsers', {
  skip: typeof program === 'string' ? false : program.missing,
}, async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const texts = fc.sample(changed, { numRuns: runsOf(3000), seed });
  const expected = await goReads(texts);
  const found = { same: [] as string[], stricter: [] as string[], lenient: [] as string[], other: [] as string[] };
  texts.forEach((text, i) => {
    const [mine, theirs] = [ours(text), expected[i] as Read];
    found[compared(mine, theirs)].push([text, theirs, mine].map((each) => JSON.stringify(each)).join('\n'));
  });
  // A block scalar that is the whole document, and a key that ends in two colons within braces, are read otherwise; nobody writes them.
  assert.ok(found.other.length <= texts.length / 500, found.other.join('\n\n'));
  // Broken directives and tags, quotes over several lines.
  assert.ok(
    found.lenient.length + found.stricter.length <= texts.length / 20,
    [...found.lenient, ...found.stricter].join('\n\n'),
  );
  assert.ok(found.same.filter((each) => !each.includes('refused')).length > texts.length / 3);
});

function compared(mine: Read, theirs: Read): 'same' | 'stricter' | 'lenient' | 'other' {
  if ('refused' in mine) return 'refused' in theirs ? 'same' : 'stricter';
  if ('refused' in theirs) return 'lenient';
  return isDeepStrictEqual(mine.body, theirs.body) ? 'same' : 'other';
}

test('what a text without quotes means: the same to both parsers', {
  skip: typeof program === 'string' ? false : program.missing,
}, async () => {
  // What the marks of documents are made of is left out, and underscores behind a point.
  const forms = [
    ...[/^[-+]?0[0-9_]{1,5}$/, /^[-+]?0[xobXOB][\da-fA-F_]{1,4}$/, /^[-+]?\d{0,3}\.\d{0,3}([eE][-+]?\d{1,2})?$/],
    ...[/^[-+]?[\dxXbo.eE]{1,6}$/, /^[yYnNoOtTfF][a-zA-Z]{0,4}$/, /^[\d:-]{1,10}$/],
  ].map((form) => fc.stringMatching(form).filter((text) => !/^(?:---|\.\.\.)/.test(text)));
  const texts = fc.sample(fc.oneof(...forms, fc.constantFrom('true', 'Yes', 'NO', 'off', 'On', 'n', '~', 'Null', '.5')), {
    numRuns: runsOf(3000),
  });
  const expected = await goReads(texts);
  texts.forEach((text, i) => {
    assert.deepEqual(Object.keys(ours(text)), Object.keys(expected[i] as Read), text);
    // Zero has no sign in JSON.
    if ('body' in (expected[i] as Read)) assert.equal(JSON.stringify(ours(text)), JSON.stringify(expected[i]), text);
  });
});
