/** The reader of V8's counts: what one process has not visited and another has is visited. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { visitsIn } from './branches.ts';
import { explained } from './unreachable.ts';

const SOURCE = `export function whoIs(name: string): number {
  if (name === 'alice') {
    return 1;
  }
  return name === 'bob' ? 2 : 3;
}
whoIs(process.argv[2] ?? 'nobody');
`;

test('a branch counts as visited if any process has been there', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'branches-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const written = join(folder, 'written');
  mkdirSync(written);
  writeFileSync(join(folder, 'who.ts'), SOURCE);
  const unvisitedBy = (...names: string[]) => {
    for (const name of names)
      spawnSync(process.execPath, [join(folder, 'who.ts'), name], { env: { ...process.env, NODE_V8_COVERAGE: written } });
    return visitsIn(written, folder, ['who.ts']).unvisited.map(({ line, text }) => `${line} ${text}`);
  };
  assert.deepEqual(unvisitedBy('alice'), ["4 return name === 'bob' ? 2", '5 : 3', "7 ?? 'nobody'"]);
  assert.deepEqual(unvisitedBy('bob'), ['5 : 3', "7 ?? 'nobody'"]);
  assert.deepEqual(unvisitedBy('carol'), ["7 ?? 'nobody'"]);
});

test('what the type checker proves to be unreachable needs no reason, and all else does', () => {
  const [never, other] = ['default: return answer satisfies never;', 'return 7;'].map((text) => ({
    file: 'x.ts',
    line: 1,
    text,
  }));
  assert.ok(never && other);
  assert.deepEqual(explained([never, other]).left, [other]);
});
