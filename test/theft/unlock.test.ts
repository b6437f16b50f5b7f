/** With the policy on, `unlock` is for those who have the verb force-unlock, and nobody else can so much as ask. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach, tempFolder } from '../harness/guards.ts';
import { grant } from '../harness/rbac.ts';
import { until } from '../harness/until.ts';
import { guarded, LOCK } from './lab.ts';

guarded('unlock is refused to those who may not break a lock, and works for those who may', async (lab, t) => {
  const alice = await lab.contender(await lab.pod('alice'));
  const lock = await alice.take();
  const { authorization = '' } = await lab.account();
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, authorization.replace('Bearer ', ''));
  const { url, caFile } = lab.cluster;
  const where = [...reach({ url, caFile, tokenFile }), '-n', lab.namespace, LOCK, '--holder', lock.holder];
  const unlock = (...args: string[]) => guard(t, ['unlock', ...where, ...args]).finished;
  for (const how of [[], ['--force=live']]) {
    const { code, stderr } = await unlock(...how);
    assert.equal(code, EXIT.refused.code, stderr);
    assert.match(stderr, /was not unlocked: updating Lease \S+: 403: .*docs\/theft\.md/);
  }
  assert.equal(lock.lost.aborted, false);
  const name = `system:serviceaccount:${lab.namespace}:worker`;
  await grant(lab.cluster, {
    namespace: lab.namespace,
    name: 'force',
    verbs: ['force-unlock'],
    lock: LOCK,
    to: [{ kind: 'User' as const, name }],
  });
  lock.stopRequested.addEventListener('abort', () => void lock.release());
  await until(async () => (await unlock('--reason', 'rollback')).code === 0, 'the Role is heard of, and the holder releases');
  assert.equal(lock.stopRequested.reason.by, name);
  const bob = await lab.contender(await lab.pod('bob'));
  const his = await bob.take();
  const forced = await guard(t, ['unlock', ...where.slice(0, -1), his.holder, '--force=live']).finished;
  assert.equal(forced.code, 0, forced.stderr);
  await until(() => his.isLost(), 'the holder learns of it');
});
