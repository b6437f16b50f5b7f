/** A command that has become another user's, as below sudo: what cannot be stopped is named, and the lock is not handed on while it lives. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { compile } from '../harness/programs.ts';
import { until } from '../harness/until.ts';
import { leaseOf, run, standalone, start } from './standalone.ts';

const root = process.getuid?.() === 0;

test('a setuid command is named when it cannot be signalled, and the lock is renewed until it ends', {
  skip: !root && !process.env.CI && 'it takes root to make a setuid program',
}, async (t) => {
  // Where an ordinary user may go, and setuid is not ignored.
  const folder = mkdtempSync('/var/tmp/k8s-lease-lock-test-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const program = compile(
    'other',
    `#include <stdio.h>\n#include <unistd.h>\nint main() { char c; setresuid(0, 0, 0); puts("runs"); fflush(stdout); read(0, &c, 1); return 5; }`,
  );
  const setuid = join(folder, 'setuid');
  copyFileSync(program, setuid);
  chmodSync(setuid, 0o4755);
  cpSync(dirname(standalone), join(folder, 'program'), { recursive: true });
  const [, ...options] = run('--lease-duration', '4s', '--kill-grace', '500ms');
  const name = options[options.indexOf('--name') + 1] ?? '';
  const alice = start(
    [
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--',
      join(folder, 'program/k8s-lease-lock'),
      ...options,
      setuid,
    ],
    { cwd: '/' },
  );
  await alice.said('runs');
  alice.process.kill('SIGTERM');
  await alice.said('of user 0 cannot be signalled by this user: the lock is kept until it ends');
  const seen = new Set<string>();
  await until(async () => seen.add(String((await leaseOf(name)).spec.renewTime)).size >= 4, 'it renews for its whole duration');
  alice.process.kill('SIGTERM');
  assert.notEqual((await leaseOf(name)).spec.holderIdentity, '');
  alice.type('x');
  assert.equal(await alice.ended, 5);
  assert.equal((await leaseOf(name)).spec.holderIdentity, '');
});
