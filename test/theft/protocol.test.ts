/** With the policy on, everything that the protocol does is let through, whoever does it and whatever his clock says. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { EXIT } from '../../image/exit-codes.ts';
import { K8SLock } from '../../src/library/k8slock.ts';
import { guard, reach, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { type Contender, troubles } from './contender.ts';
import { guarded, type Lab, LOCK } from './lab.ts';

const named = async (lab: Lab) => (await lab.lease()).spec.holderIdentity;
const queues = (contender: Contender) =>
  until(() => contender.events.some(({ type }) => type === 'waiting'), 'it stands in the queue');
const renewals = ({ events }: Contender) => events.filter(({ type }) => type === 'renewed').length;

guarded('Pods take the lock, renew it, queue for it, hand it on, and leave the queue', async (lab) => {
  const [alice, bob, carol] = await Promise.all(
    ['alice', 'bob', 'carol'].map(async (name) => await lab.contender(await lab.pod(name), { durationMs: 4000 })),
  );
  assert.ok(alice && bob && carol);
  const hers = await alice.take();
  assert.match(hers.holder, new RegExp(`^pod/${lab.namespace}/alice/`));
  const taking = bob.take();
  await queues(bob);
  const given = new AbortController();
  const leaving = carol.acquire({ signal: given.signal });
  await queues(carol);
  given.abort();
  assert.equal((await leaving).kind, 'aborted');
  assert.ok(carol.events.some(({ type }) => type === 'left-queue'));
  await until(() => renewals(alice) >= 5, 'she renews');
  assert.equal((await hers.release()).kind, 'released');
  const his = await taking;
  assert.equal((await his.release()).kind, 'released');
  assert.equal(await named(lab), '');
  assert.deepEqual(troubles(alice, bob, carol), []);
});

guarded('a lock that has expired is taken over, also by and from one whose clock is an hour off', async (lab) => {
  const dead = await lab.contender(await lab.pod('dead'), { durationMs: 2000, offByMs: 3_600_000 });
  (await dead.take()).abandon();
  const late = await lab.contender(await lab.pod('late'), { durationMs: 2000, offByMs: -3_600_000 });
  const taken = await late.take();
  await until(() => renewals(late) >= 3, 'it renews');
  taken.abandon();
  const next = await lab.contender(await lab.pod('next'), { durationMs: 2000 });
  const lock = await next.take();
  assert.equal((await lock.release()).kind, 'released');
  assert.deepEqual(troubles(dead, late, next), []);
});

guarded('a holder that writes expiries is let, and followed when it has died', async (lab) => {
  const dead = await lab.contender(await lab.pod('dead'), { durationMs: 2000, legacyExpiry: true });
  const lock = await dead.take();
  await until(() => renewals(dead) >= 2, 'it renews');
  lock.abandon();
  const next = await lab.contender(await lab.pod('next'), { durationMs: 2000 });
  await (await next.take()).release();
  assert.deepEqual(troubles(dead, next), []);
});

guarded('a Lease that somebody deletes by force is put back, by holder or waiter, with all that stood in it', async (lab) => {
  const alice = await lab.contender(await lab.pod('alice'), { durationMs: 20_000 });
  const bob = await lab.contender(await lab.pod('bob'), { durationMs: 20_000 });
  const lock = await alice.take();
  const taking = bob.take();
  await queues(bob);
  for (let times = 1; times <= 8; times++) {
    const { uid } = (await lab.lease()).metadata;
    assert.equal((await lab.cluster.request('DELETE', lab.path)).status, 200);
    await until(async () => {
      const { metadata, spec } = await lab.lease();
      const keys = Object.keys(metadata.annotations ?? {});
      const whole = ['holder.', 'waiter.'].every((prefix) => keys.some((key) => key.startsWith(prefix)));
      return metadata.uid !== undefined && metadata.uid !== uid && spec.holderIdentity === lock.holder && whole;
    }, 'it is back');
  }
  assert.equal(lock.isLost(), false);
  assert.equal((await lock.release()).kind, 'released');
  await (await taking).release();
  assert.deepEqual(troubles(alice, bob), []);
});

const NAMES = [
  'gha:acme/api',
  'a%b',
  'a%2Fb',
  'Jane Doe',
  'quote"d',
  'back\\slash',
  '<script>&',
  'Zoë Ñandú',
  'æ\u009d±',
  'tab\there',
  'no\u00a0break',
  "o'neill",
];

for (const name of NAMES) {
  guarded(`outside of Pods an id that nobody gave becomes that of the user ${JSON.stringify(name)}`, async (lab) => {
    const alice = await lab.contender(lab.user(name));
    const bob = await lab.contender(lab.user(name));
    const lock = await alice.take();
    assert.match(lock.holder, /^user\/[^/ "\\]+\/runner%207\/[a-z0-9]{10}$/);
    assert.equal(decodeURIComponent(lock.holder.split('/')[1] ?? ''), name);
    // The first write of one who finds the lock taken is that into the queue.
    const taking = bob.take();
    await queues(bob);
    await lock.release();
    const his = await taking;
    assert.match(his.holder, /^user\/[^/ "\\]+\/runner%207\/[a-z0-9]{10}$/);
    await his.release();
    assert.deepEqual(troubles(alice, bob), []);
  });
}

guarded('a service account whose token names no Pod is a user, too', async (lab) => {
  await lab.pod('any');
  const alice = await lab.contender(await lab.account());
  const lock = await alice.take();
  assert.match(lock.holder, new RegExp(`^user/system:serviceaccount:${lab.namespace}:worker/runner%207/`));
  await lock.release();
  assert.deepEqual(troubles(alice), []);
});

guarded('a Pod that does not know that it is one learns it', async (lab) => {
  const alice = await lab.contender(await lab.pod('alice'));
  // As through a kubeconfig with the token in it: the id says the host.
  const { me } = alice.participant;
  me.id = `user/runner/${me.nonce}`;
  const lock = await alice.take();
  assert.match(lock.holder, new RegExp(`^pod/${lab.namespace}/alice/`));
  await lock.release();
});

for (const legacyExpiry of [false, true]) {
  guarded(`K8SLock takes, renews and gives back${legacyExpiry ? ', and writes expiries' : ''}`, async (lab) => {
    await lab.pod('any');
    const { authorization = '' } = await lab.account();
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(lab.cluster.kubeconfigFor(authorization.replace('Bearer ', '')));
    const wrong: unknown[] = [];
    const lock = new K8SLock({
      kubeConfig,
      leaseName: LOCK,
      namespace: lab.namespace,
      leaseDurationInSeconds: 4,
      legacyExpiry,
      onEvent: (event) => void (event.type === 'trouble' && wrong.push(event)),
    });
    // The same instance knows its own lock again, though its id has changed meanwhile.
    assert.equal(await lock.getLock(), true);
    assert.equal(await lock.getLock(), true);
    assert.match(String(await named(lab)), new RegExp(`^user/system:serviceaccount:${lab.namespace}:worker/`));
    assert.equal((await lock.startLocking()).isLocking, true);
    const { renewTime } = (await lab.lease()).spec;
    await until(async () => (await lab.lease()).spec.renewTime !== renewTime, 'it renews');
    await lock.stopLocking();
    assert.equal(await named(lab), '');
    assert.deepEqual(wrong, []);
  });
}

guarded('the command line, with the token of a Pod in a file, runs a command as that Pod', async (lab, t) => {
  const { authorization = '' } = await lab.pod('alice');
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, authorization.replace('Bearer ', ''));
  const { url, caFile } = lab.cluster;
  const line = ['run', ...reach({ url, caFile, tokenFile }), '-n', lab.namespace, '--name', LOCK];
  const { code, stdout, stderr } = await guard(t, [...line, '--', 'sh', '-c', 'echo $LEASE_LOCK_HOLDER']).finished;
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^pod/${lab.namespace}/alice/`));
  assert.equal(await named(lab), '');
  const refused = await guard(t, [...line, '--holder', 'me', '--', 'echo', 'ran']).finished;
  assert.deepEqual([refused.code, refused.stdout], [EXIT.refused.code, '']);
  assert.match(
    refused.stderr,
    /the holder me\/\w+ is not yours: it must be pod\/\S+ or start with it and a \/\. See \S+docs\/theft\.md/,
  );
});

guarded('an id that was given is never changed: the refusal says how it must begin', async (lab) => {
  const alice = await lab.contender(lab.user('alice'), { holder: 'pipeline-7' });
  const outcome = await alice.acquire();
  assert.equal(outcome.kind, 'refused');
  const { message, status } = outcome as { message: string; status: number };
  assert.equal(status, 403);
  assert.match(
    message,
    /the holder pipeline-7\/\w+ is not yours: it must be user\/alice or start with it and a \/\. See \S+docs\/theft\.md$/,
  );
  const right = await lab.contender(lab.user('alice'), { holder: 'user/alice/pipeline-7' });
  await (await right.take()).release();
});
