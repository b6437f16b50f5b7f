/** Joining a lock under a policy that wants to see in an id who writes it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { findCluster } from '../../src/api/find-cluster.ts';
import { systemClock } from '../../src/clock.ts';
import { newIdentity } from '../../src/lock/identity.ts';
import { newParticipant } from '../../src/lock/new-participant.ts';
import { type Behaviour, badServer, respond, silence } from '../harness/bad-server.ts';
import { timingsOf } from '../harness/contender.ts';

async function workshop(t: TestContext, ...behaviours: Behaviour[]) {
  const server = await badServer(t, ...behaviours);
  const found = await findCluster({ server: server.url, env: {} });
  assert.ok(found.kind === 'cluster');
  const { cluster } = found;
  const join = (prefix?: string) => {
    const identity = newIdentity({ prefix, token: undefined, host: 'h' });
    const participant = newParticipant({
      cluster,
      clock: systemClock(),
      namespace: 'team',
      name: 'deploy',
      identity,
      about: {},
      priority: 0,
      timings: timingsOf(60_000, 0),
      createIfAbsent: true,
      legacyExpiry: false,
    });
    t.after(() => participant.client.close());
    return participant;
  };
  return { server, join };
}

const review = respond(201, { kind: 'SelfSubjectReview', status: { userInfo: { username: 'acme/x' } } });

test('the API server is asked once who it is; those that join after that have that id from the start', async (t) => {
  const { server, join } = await workshop(t, review);
  const first = join();
  assert.equal(await first.whoAmI?.(2000), `user/acme%2Fx/h/${first.me.nonce}`);
  assert.deepEqual(server.requests, ['POST /apis/authentication.k8s.io/v1/selfsubjectreviews']);
  const second = join();
  assert.equal(second.me.id, `user/acme%2Fx/h/${second.me.nonce}`);
  assert.equal(server.requests.length, 1);
});

test('an id that was given stays, and nobody is asked', async (t) => {
  const { join } = await workshop(t, review);
  await join().whoAmI?.(2000);
  const given = join('me');
  assert.equal(given.me.id, `me/${given.me.nonce}`);
  assert.equal(given.whoAmI, undefined);
});

test('where no answer says who it is, it stays as it was', async (t) => {
  for (const behaviour of [respond(404, 'nothing'), respond(201, 'no JSON'), respond(201, {}), silence]) {
    const { join } = await workshop(t, behaviour);
    assert.equal(await join().whoAmI?.(200), undefined);
    assert.match(join().me.id, /^user\/h\//);
  }
});
