/** What is printed arrives whole, however slowly it is read; what can't be written is told. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { PROGRAM, tempFolder } from '../harness/guards.ts';

const sh = (script: string, ...args: string[]) =>
  spawnSync('bash', ['-c', script, 'bash', ...args, '--', ...PROGRAM], { encoding: 'utf8' });

/** A thousand manifests: more than any pipe holds. */
function manifests(t: TestContext): string {
  const file = join(tempFolder(t), 'many.yaml');
  const one = (n: number) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-${n}\ndata:\n  text: ${'x'.repeat(500)}\n`;
  writeFileSync(file, Array.from({ length: 1000 }, (_, n) => one(n)).join('---\n'));
  return file;
}

test('a reader that is slow gets all of it', (t) => {
  const script = 'set -o pipefail; file=$1; shift 2; "$@" inject -f "$file" | dd bs=16 2>/dev/null | grep -c ^kind';
  const { stdout, stderr } = sh(script, manifests(t));
  assert.equal(stdout, '1000\n', stderr);
});

test('a reader that has seen enough ends it without a word', (t) => {
  const { stdout, stderr, status } = sh('set -o pipefail; file=$1; shift 2; "$@" inject -f "$file" | head -c 3', manifests(t));
  assert.deepEqual([stdout, stderr, status], ['api', '', 0]);
});

test('a disk that is full is told, with an exit code of its own', () => {
  const { status, stderr } = sh('shift; "$@" help > /dev/full');
  assert.equal(status, EXIT.output.code);
  assert.match(stderr, /^k8s-lease-lock: standard output could not be written: ENOSPC/);
});
