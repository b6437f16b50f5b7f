import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, world } from '../harness/contenders.ts';
import { settle } from '../harness/manual-clock.ts';

const SECOND = 1000;

test('alice finds nobody: she reads once, writes once, and holds the lock', async () => {
  const { contender, requests, lease } = world();
  const lock = await contender('alice').take();
  assert.deepEqual(requests, ['alice GET', 'alice PUT']);
  const { spec, metadata } = lease();
  assert.equal(spec?.holderIdentity, 'alice');
  assert.equal(spec?.leaseDurationSeconds, 60);
  assert.equal(spec?.leaseTransitions, 1);
  assert.equal(lock.token, metadata.resourceVersion);
  assert.equal(lock.transitions, 1);
});

test('a holder renews every quarter of the duration with one PUT, and releases with one PUT', async () => {
  const { contender, requests, clock, lease } = world();
  const lock = await contender('alice').take();
  requests.length = 0;
  await clock.advance(15 * SECOND - 1);
  assert.deepEqual(requests, []);
  await clock.advance(1);
  assert.deepEqual(requests, ['alice PUT']);
  await clock.advance(45 * SECOND);
  assert.equal(requests.length, 4);
  requests.length = 0;
  assert.deepEqual(await lock.release(), { kind: 'released' });
  assert.deepEqual(requests, ['alice PUT']);
  assert.equal(lease().spec?.holderIdentity, '');
  assert.equal(lease().spec?.leaseDurationSeconds, 1);
  assert.equal(Object.keys(lease().metadata.annotations ?? {}).length, 1, 'only the lock annotation remains');
});

test('nothing is left running after a release', async () => {
  const { contender, requests, clock } = world();
  const lock = await contender('alice').take();
  await lock.release();
  requests.length = 0;
  await clock.advance(10 * 60 * SECOND);
  assert.deepEqual(requests, []);
});

test('bob waits while alice holds, and has the lock the moment she releases it', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await clock.advance(10 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  await alice.release();
  const lock = await bob;
  assert.ok(BigInt(lock.token) > BigInt(alice.token));
});

test('waiters are served in the order in which they came', async () => {
  const { contender, clock } = world();
  const order: string[] = [];
  const first = await contender('alice').take();
  const waits: Promise<void>[] = [];
  for (const name of ['bob', 'carol', 'dave', 'erin']) {
    waits.push(
      contender(name)
        .take()
        .then(async (lock) => {
          order.push(name);
          await lock.release();
        }),
    );
    await settle();
  }
  await first.release();
  await clock.advance(SECOND);
  await Promise.all(waits);
  assert.deepEqual(order, ['bob', 'carol', 'dave', 'erin']);
});

test('a higher priority is served first', async () => {
  const { contender } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  const carol = contender('carol', { priority: 5 }).take();
  await settle();
  await alice.release();
  const lock = await carol;
  assert.equal(await isSettled(bob), false);
  await lock.release();
  await bob;
});

test('a dead head of the queue costs one claim window, and no more', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const dead = contender('dead');
  void dead.acquire();
  await settle();
  dead.participant.client.write = () => new Promise(() => {});
  const bob = contender('bob').take();
  await settle();
  await alice.release();
  await clock.advance(1999);
  assert.equal(await isSettled(bob), false, 'the head still has its turn');
  await clock.advance(1);
  await bob;
});

test('a waiter that was passed over puts itself back with its old ticket', async () => {
  const { contender, clock, state, overwrite } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  const ticket = state().waiters[0]?.ticket;
  overwrite((lease) => ({
    ...lease,
    metadata: {
      ...lease.metadata,
      annotations: Object.fromEntries(
        Object.entries(lease.metadata.annotations ?? {}).filter(([key]) => !key.startsWith('waiter.')),
      ),
    },
  }));
  await settle();
  assert.deepEqual(
    state().waiters.map((waiter) => [waiter.id, waiter.ticket]),
    [['bob', ticket]],
  );
  await clock.advance(SECOND);
  await alice.release();
  await bob;
});

test('a holder that has died is followed after its duration and the margin, counted from when its last write was seen', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  await alice.take();
  const bob = contender('bob').take();
  await settle();
  alice.participant.client.write = () => new Promise(() => {});
  await clock.advance(66 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('a holder that is long dead by the stamps of the API server is followed once its entry has stood still for a while', async () => {
  const { contender, clock, requests } = world();
  const lock = await contender('alice').take();
  lock.abandon();
  await clock.advance(121 * SECOND);
  requests.length = 0;
  const bob = contender('bob').take();
  // A punctual holder would renew within a quarter of its minute and two requests: 25 s.
  await clock.advance(25 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
  assert.deepEqual(requests, ['bob GET', 'bob PUT', 'bob PUT']);
});

test('a step of the API server clock robs nobody who renews', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  clock.setWall(new Date(clock.wall().getTime() + 3600 * SECOND));
  const bob = contender('bob').acquire();
  await clock.advance(10 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.isLost(), false);
});

test('stamps are not believed where that is switched off, nor once they have run backwards', async () => {
  for (const untrusted of ['switched off', 'backwards'] as const) {
    const { contender, clock } = world();
    (await contender('alice').take()).abandon();
    const bob = contender('bob');
    if (untrusted === 'switched off') bob.participant.trustStamps = false;
    await clock.advance(121 * SECOND);
    if (untrusted === 'backwards') clock.setWall(new Date(clock.wall().getTime() - 300 * SECOND));
    const taking = bob.take();
    await clock.advance(66 * SECOND - 1);
    assert.equal(await isSettled(taking), false, untrusted);
    await clock.advance(1);
    await taking;
  }
});

test('one try gets a lock that is long free behind a dead waiter, and none that has just been released', async () => {
  const { contender, clock, state } = world();
  const alice = await contender('alice').take();
  const dead = contender('dead');
  void dead.acquire();
  await settle();
  dead.participant.client.write = () => new Promise(() => {});
  await alice.release();
  assert.equal((await contender('bob').acquire({ timeoutMs: 0 })).kind, 'busy');
  await clock.advance(63 * SECOND);
  const lock = await contender('carol').take({ timeoutMs: 0 });
  assert.equal(state().waiters.length, 0, 'the dead one is removed');
  await lock.release();
});

test('one try waits for a long-dead holder to have stood still, and gives up the moment that it renews', async () => {
  for (const alive of [false, true]) {
    const { contender, clock } = world();
    const alice = await contender('alice').take();
    if (!alive) alice.abandon();
    if (alive) clock.setWall(new Date(clock.wall().getTime() + 3600 * SECOND));
    else await clock.advance(3600 * SECOND);
    const bob = contender('bob').acquire({ timeoutMs: 0 });
    await clock.advance(25 * SECOND);
    assert.equal((await bob).kind, alive ? 'busy' : 'held');
  }
});

test('one try on a Lease whose fields are not tracked watches its holder for as long as its lease lasts', async () => {
  for (const alive of [false, true]) {
    const { contender, clock, overwrite } = world();
    const alice = await contender('alice').take();
    if (!alive) alice.abandon();
    overwrite((lease) => ({ ...lease, metadata: { ...lease.metadata, managedFields: [] } }));
    const bob = contender('bob').acquire({ timeoutMs: 0 });
    await clock.advance(66 * SECOND);
    assert.equal((await bob).kind, alive ? 'busy' : 'held');
  }
});

test('a wall clock an hour off changes nothing for a waiter', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  clock.setWall(new Date(clock.wall().getTime() + 3600 * SECOND));
  await clock.advance(5 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.lost.aborted, false);
  clock.setWall(new Date(clock.wall().getTime() - 7200 * SECOND));
  await clock.advance(5 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.lost.aborted, false);
});

test('a wall clock that jumps ahead costs a holder one confirmation by the server, and one set back nothing', async () => {
  const { contender, clock, requests } = world();
  const alice = await contender('alice').take();
  requests.length = 0;
  clock.setWall(new Date(clock.wall().getTime() + 3600 * SECOND));
  await clock.advance(4 * SECOND);
  assert.deepEqual(requests, ['alice PUT']);
  assert.equal(alice.lost.aborted, false);
  clock.setWall(new Date(clock.wall().getTime() - 3600 * SECOND));
  await clock.advance(4 * SECOND);
  assert.deepEqual(requests, ['alice PUT']);
});

test('a holder that can not renew has lost the lock while there is still time to stop the command', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...Array.from({ length: 100 }, () => 'request' as const));
  // 60 s - (10 s grace + 2 s reaping) - 3 s margin
  await clock.advance(45 * SECOND - 1);
  assert.equal(lock.lost.aborted, false);
  await clock.advance(1);
  assert.equal(lock.lost.aborted, true);
  assert.match(String(lock.lost.reason), /could not be renewed for 45\.0s: no answer within 5s/);
});

test('the deadline counts from before the send, not from the answer', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const write = alice.participant.client.write;
  alice.participant.client.write = async (...args) => {
    const answer = await write(...args);
    clock.jump(3 * SECOND);
    return answer;
  };
  const lock = await alice.take();
  assert.equal(lock.deadlines().stopBy, 45 * SECOND);
  assert.equal(lock.deadlines().expiresAt, 60 * SECOND);
});

test('a claim whose answer comes after its own deadline starts nothing until it is confirmed', async () => {
  const { contender, clock, requests } = world();
  const alice = contender('alice');
  const write = alice.participant.client.write;
  alice.participant.client.write = async (...args) => {
    const answer = await write(...args);
    clock.jump(50 * SECOND);
    alice.participant.client.write = write;
    return answer;
  };
  const lock = await alice.take();
  assert.deepEqual(requests, ['alice GET', 'alice PUT', 'alice PUT']);
  assert.equal(lock.deadlines().stopBy, 95 * SECOND);
});

test('a late answer to a renewal is not believed: the process slept through its deadline', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  clock.jump(70 * SECOND);
  await clock.advance(0);
  assert.equal(lock.lost.aborted, true);
});

test('a claim without an answer is read back and confirmed by another write, which dates it', async () => {
  const { contender, clock, requests } = world();
  const alice = contender('alice');
  alice.disturb('PUT', 'answer');
  const taking = alice.take();
  await clock.advance(5 * SECOND);
  const lock = await taking;
  assert.deepEqual(requests, ['alice GET', 'alice PUT', 'alice GET', 'alice PUT']);
  assert.ok(lock.deadlines().stopBy > 45 * SECOND);
});

test('a claim that lands late, after it was read as missing, is confirmed before anything starts', async () => {
  const { contender, clock, requests, land } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.disturb('PUT', 'late');
  await alice.release();
  await settle();
  requests.length = 0;
  bob.disturb('PUT', 'request');
  await clock.advance(150);
  assert.deepEqual(requests, ['bob GET', 'bob PUT']);
  assert.deepEqual(land(), [200]);
  await clock.advance(5 * SECOND);
  await taking;
  assert.deepEqual(requests.slice(2), ['bob GET', 'bob PUT']);
});

test('a renewal without an answer that has landed counts from its own send', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.deafen();
  alice.disturb('PUT', 'answer');
  await clock.advance(15 * SECOND);
  // The retry conflicts with the attempt that landed; the read finds that one's mark.
  alice.disturb('PUT', 'request');
  await clock.advance(SECOND);
  assert.equal(lock.deadlines().stopBy, (15 + 45) * SECOND);
});

test('renewals whose answers are all lost keep the lock as long as the watch shows that they landed', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...Array.from({ length: 1000 }, () => 'answer' as const));
  await clock.advance(300 * SECOND);
  assert.equal(lock.lost.aborted, false);
  alice.deafen();
  alice.disturb('GET', ...Array.from({ length: 1000 }, () => 'request' as const));
  await clock.advance(60 * SECOND);
  assert.equal(lock.lost.aborted, true, 'and no longer');
});

test('a holder whose Lease is deleted puts it back at once, and holds on', async () => {
  const { contender, clock, remove, state, lease } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  const bob = contender('bob').acquire();
  await settle();
  remove();
  await settle();
  await clock.advance(SECOND);
  assert.equal(lock.lost.aborted, false);
  assert.equal(lease().spec?.holderIdentity, 'alice');
  assert.deepEqual(
    state().waiters.map(({ id }) => id),
    ['bob'],
  );
  assert.equal(await isSettled(bob), false);
  assert.ok(alice.events.some(({ type }) => type === 'restored') || lease().metadata.uid === 'uid-2');
});

test('waiters honour a holder that they have seen, also when its Lease is gone and comes back without it', async () => {
  const { contender, clock, remove } = world();
  const alice = contender('alice');
  await alice.take();
  const bob = contender('bob').take();
  await settle();
  alice.participant.client.write = () => new Promise(() => {});
  remove();
  await clock.advance(66 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(30 * SECOND);
  await bob;
});

test('a holder that is replaced has lost the lock, and does not take it back', async () => {
  const { contender, clock, overwrite, lease } = world();
  const lock = await contender('alice').take();
  overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'thief' } }));
  await clock.advance(SECOND);
  assert.equal(lock.lost.aborted, true);
  assert.match(String(lock.lost.reason), /it is held by thief/);
  await clock.advance(600 * SECOND);
  assert.equal(lease().spec?.holderIdentity, 'thief');
  assert.equal((await lock.release()).kind, 'released');
  assert.equal(lease().spec?.holderIdentity, 'thief', 'a release takes out only what is mine');
});

test('a lock that a foreign client cleared under its holder is not taken until that holder has let go', async () => {
  const { contender, clock, overwrite } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: '', leaseDurationSeconds: 1 } }));
  await clock.advance(20 * SECOND);
  assert.equal(alice.lost.aborted, true);
  assert.match(String(alice.lost.reason), /another client cleared the holder/);
  assert.equal(await isSettled(bob), false, 'her command may still be stopping');
  await alice.release();
  await bob;
});

test('a foreign holder that renews is never robbed, whatever its renewTime says', async () => {
  const { contender, clock, overwrite } = world();
  await (await contender('maker').take()).release();
  const renew = (n: number) =>
    overwrite((found) => ({
      ...found,
      spec: {
        ...found.spec,
        holderIdentity: 'leader',
        leaseDurationSeconds: 15,
        renewTime: `1999-01-01T00:00:${String(n).padStart(2, '0')}.000000Z`,
      },
    }));
  renew(0);
  const bob = contender('bob').take();
  for (let n = 1; n < 40; n++) {
    await clock.advance(14 * SECOND);
    renew(n);
  }
  assert.equal(await isSettled(bob), false);
  await clock.advance(17 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('one try on a busy lock says who holds it and joins no queue', async () => {
  const { contender, requests, state } = world();
  await contender('alice').take();
  requests.length = 0;
  const outcome = await contender('bob').acquire({ timeoutMs: 0 });
  assert.equal(outcome.kind, 'busy');
  assert.deepEqual(outcome.kind === 'busy' && outcome.heldBy.map(({ id }) => id), ['alice']);
  assert.deepEqual(requests, ['bob GET', 'bob DRY']);
  assert.deepEqual(state().waiters, []);
});

test('one try does not overtake those who wait for a lock that is just now free', async () => {
  const { contender } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  void bob.acquire();
  await settle();
  bob.participant.client.write = () => new Promise(() => {});
  await alice.release();
  const outcome = await contender('carol').acquire({ timeoutMs: 0 });
  assert.deepEqual(outcome.kind === 'busy' && [outcome.heldBy.length, outcome.position], [0, 1]);
});

test('who gives up leaves the queue', async () => {
  const { contender, clock, state } = world();
  await contender('alice').take();
  const bob = contender('bob').acquire({ timeoutMs: 20 * SECOND });
  await clock.advance(20 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  assert.equal(state().waiters.length, 1);
  await clock.advance(1);
  const outcome = await bob;
  assert.deepEqual(outcome.kind === 'busy' && outcome.waitedMs, 20 * SECOND);
  assert.deepEqual(state().waiters, []);
});

test('who is told to stop waiting does so at once, and gives back a claim that was in doubt', async () => {
  const { contender, clock, state } = world();
  const alice = await contender('alice').take();
  const stop = new AbortController();
  const bob = contender('bob');
  const outcome = bob.acquire({ signal: stop.signal });
  await settle();
  bob.disturb('PUT', 'answer');
  await alice.release();
  await settle();
  assert.equal(state().holders[0]?.id, 'bob');
  stop.abort();
  await clock.advance(SECOND);
  assert.deepEqual(await outcome, { kind: 'aborted' });
  assert.deepEqual(state().holders, []);
  assert.deepEqual(state().waiters, []);
});

test('two processes with one id exclude each other', async () => {
  const { contender, clock } = world();
  const first = await contender('alice', { id: 'same' }).take();
  const second = contender('bob', { id: 'same' }).take();
  await clock.advance(300 * SECOND);
  assert.equal(await isSettled(second), false);
  assert.equal(first.lost.aborted, false);
  await first.release();
  await second;
});

test('a stop request for the holder reaches it, and the lock stays held until it is released', async () => {
  const { contender, clock, overwrite, lease } = world();
  const lock = await contender('alice').take();
  overwrite((found) => ({
    ...found,
    metadata: {
      ...found.metadata,
      annotations: {
        ...found.metadata.annotations,
        'lease-lock.nullplatform.com/lock':
          '{"v":1,"next":2,"stop":{"holder":"alice","by":"ops","kind":"unlock","reason":"rollback"}}',
      },
    },
  }));
  await settle();
  assert.equal(lock.stopRequested.aborted, true);
  assert.equal(lock.lost.aborted, false);
  await clock.advance(120 * SECOND);
  assert.equal(lock.lost.aborted, false, 'it is renewed while the command is being stopped');
  await lock.release();
  assert.doesNotMatch(lease().metadata.annotations?.['lease-lock.nullplatform.com/lock'] ?? '', /stop/);
});

test('labels, annotations and fields of others survive every write of ours', async () => {
  const { contender, clock, overwrite, lease } = world();
  await (await contender('maker').take()).release();
  overwrite((found) => ({
    ...found,
    metadata: { ...found.metadata, labels: { team: 'a' }, annotations: { ...found.metadata.annotations, 'example.com/x': 'y' } },
  }));
  const lock = await contender('alice').take();
  await clock.advance(60 * SECOND);
  await lock.release();
  assert.deepEqual(lease().metadata.labels, { team: 'a' });
  assert.equal(lease().metadata.annotations?.['example.com/x'], 'y');
});

test('a Lease of the coordinated leader election is refused', async () => {
  const { contender, lease, requests } = world();
  await (await contender('maker').take()).release();
  const alice = contender('alice');
  const found = lease();
  const elected = { ...found, spec: { ...found.spec, strategy: 'OldestEmulationVersion' } };
  alice.disturb('GET', { kind: 'lease', lease: elected });
  requests.length = 0;
  const outcome = await alice.acquire();
  assert.match(outcome.kind === 'refused' ? outcome.message : outcome.kind, /coordinated leader election/);
  assert.deepEqual(requests, ['alice GET']);
});

test('an API server that stays silent ends the wait', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  alice.disturb('GET', ...Array.from({ length: 1000 }, () => 'request' as const));
  const outcome = alice.acquire();
  await clock.advance(130 * SECOND);
  assert.equal((await outcome).kind, 'unreachable');
});

const throttled = {
  kind: 'failed',
  message: '429: too many requests',
  applied: 'no',
  comeBack: true,
  retryAfterMs: 5000,
} as const;
const times = <T>(count: number, fault: T): T[] => Array.from({ length: count }, () => fault);

test('an API server that asks to come back later is not silent: the wait goes on, and is served', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  // Ten minutes of them, from the claim on.
  bob.disturb('PUT', ...times(60, throttled));
  bob.disturb('GET', ...times(60, throttled));
  await alice.release();
  await clock.advance(599 * SECOND);
  assert.equal(await isSettled(taking), false);
  await clock.advance(60 * SECOND);
  await taking;
});

test('a wait that ends while the API server asks to come back later says what is known of the lock', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const outcome = bob.acquire({ timeoutMs: 240 * SECOND });
  await settle();
  bob.disturb('GET', ...times(100, throttled));
  await clock.advance(255 * SECOND);
  const { kind, heldBy } = { heldBy: undefined, ...(await outcome) };
  assert.deepEqual([kind, heldBy?.map(({ id }) => id)], ['busy', ['alice']]);
});

test('who has only ever been asked to come back later goes on until its own time is over', async () => {
  const { contender, clock } = world();
  const bob = contender('bob');
  bob.disturb('GET', ...times(200, throttled));
  const outcome = bob.acquire({ timeoutMs: 240 * SECOND });
  await clock.advance(239 * SECOND);
  assert.equal(await isSettled(outcome), false);
  await clock.advance(2 * SECOND);
  assert.equal((await outcome).kind, 'unreachable');
});

test('a first failure after hours without a request ends nothing: silence counts from when somebody asked', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.deafen();
  // As after a suspend: alice's lease is over, and the network is not back yet.
  clock.jump(3600 * SECOND);
  bob.disturb('GET', 'request');
  await clock.advance(90 * SECOND);
  await taking;
});

test('who refuses is not silent: silence counts from after the last refusal', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  // Some hundred seconds without an answer, one refusal, and as much again.
  bob.deafen();
  bob.disturb('GET', ...times(20, 'request' as const), forbidden, ...times(20, 'request' as const));
  await clock.advance(60 * SECOND);
  await alice.release();
  await clock.advance(240 * SECOND);
  await taking;
});

test('one try needs no room in the queue: it says who holds the lock, and a newcomer that would wait is refused', async () => {
  const { contender, overwrite } = world();
  await contender('alice').take();
  overwrite(({ metadata, ...lease }) => ({
    ...lease,
    metadata: { ...metadata, annotations: { ...metadata.annotations, 'example.com/large': 'x'.repeat(199_900) } },
  }));
  const tried = await contender('bob').acquire({ timeoutMs: 0 });
  assert.deepEqual(tried.kind === 'busy' && tried.heldBy.map(({ id }) => id), ['alice']);
  const waited = await contender('carol').acquire();
  assert.match(waited.kind === 'refused' ? waited.message : waited.kind, /no room for another waiter/);
});

test('a release that gets no answer ends within two request timeouts', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...Array.from({ length: 1000 }, () => 'request' as const));
  alice.disturb('GET', ...Array.from({ length: 1000 }, () => 'request' as const));
  const released = lock.release();
  await clock.advance(14 * SECOND);
  assert.equal((await released).kind, 'failed');
});

test('legacy expiry writes when the lock ends, which is what K8SLock 0.2.5 reads', async () => {
  const { contender, clock, lease } = world();
  const lock = await contender('alice', { legacyExpiry: true }).take();
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:01:00.000000Z');
  await clock.advance(15 * SECOND);
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:01:15.000000Z');
  await lock.release();
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:00:15.000000Z');
});

const notYours = {
  kind: 'refused',
  reason: 'not-yours',
  status: 403,
  message: 'the holder bob is not yours: it must be user/b or start with it and a /',
} as const;

test('a first write that is refused for its id is written again under the one that the API server knows', async () => {
  const { contender, requests, lease, state } = world();
  const alice = await contender('alice').take();
  requests.length = 0;
  const bob = contender('bob');
  bob.participant.whoAmI = async () => 'user/b/bob';
  bob.disturb('PUT', notYours);
  const taking = bob.take();
  await settle();
  assert.deepEqual(requests, ['bob GET', 'bob PUT', 'bob GET', 'bob PUT']);
  assert.deepEqual(
    state().waiters.map(({ id }) => id),
    ['user/b/bob'],
  );
  await alice.release();
  assert.equal((await taking).holder, 'user/b/bob');
  assert.equal(lease().spec?.holderIdentity, 'user/b/bob');
});

test('a second refusal for the id is final, and so is the first where the id was given or is the same', async () => {
  for (const [answers, whoAmI] of [
    [[notYours, notYours], async () => 'user/b/bob'],
    [[notYours], undefined],
    [[notYours], async () => 'bob'],
    [[notYours], async () => undefined],
  ] as const) {
    const { contender } = world();
    const bob = contender('bob');
    bob.participant.whoAmI = whoAmI;
    bob.disturb('PUT', ...answers);
    const outcome = await bob.acquire();
    assert.deepEqual(outcome, notYours);
  }
});

test('an id does not change while something stands under it', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  bob.participant.whoAmI = async () => 'user/b/bob';
  const taking = bob.acquire();
  await settle();
  bob.disturb('PUT', ...Array.from({ length: 100 }, () => notYours));
  await alice.release();
  await clock.advance(180 * SECOND);
  assert.deepEqual(await taking, notYours, 'it has lasted for as long as silence would be borne');
  assert.equal(bob.me.id, 'bob');
});

const forbidden = { kind: 'refused', reason: 'rights', status: 403, message: 'updating Lease: 403: forbidden' } as const;

test('one 403 to a waiter that has been served before is trouble, and ends nothing', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.disturb('PUT', forbidden);
  await alice.release();
  await clock.advance(SECOND);
  await taking;
  assert.ok(bob.events.some((event) => event.type === 'trouble' && event.message === forbidden.message));
});

test('a first 403 ends a wait immediately: nothing was ever allowed', async () => {
  const { contender } = world();
  const bob = contender('bob');
  bob.disturb('GET', forbidden);
  assert.deepEqual(await bob.acquire(), forbidden);
});

test('a ticket that leaves no room to count on costs nobody more than its order', async () => {
  const { contender, clock, requests, overwrite } = world();
  const alice = await contender('alice').take();
  overwrite((lease) => ({
    ...lease,
    metadata: {
      ...lease.metadata,
      annotations: { ...lease.metadata.annotations, 'lease-lock.nullplatform.com/lock': '{"v":1,"next":999999999999999}' },
    },
  }));
  const waits = ['bob', 'carol'].map((name) => contender(name).take());
  await settle();
  requests.length = 0;
  await clock.advance(10 * SECOND);
  assert.ok(requests.length <= 3, requests.join());
  await alice.release();
  await clock.advance(SECOND);
  await (await Promise.race(waits)).release();
  await clock.advance(SECOND);
  await Promise.all(waits);
});

test('a holder whose annotation claims more time than its spec is given what the spec says', async () => {
  const { contender, clock, overwrite } = world();
  (await contender('alice').take()).abandon();
  overwrite((lease) => ({
    ...lease,
    metadata: {
      ...lease.metadata,
      annotations: Object.fromEntries(
        Object.entries(lease.metadata.annotations ?? {}).map(([key, text]) => [
          key,
          text.replace('"duration":60', '"duration":1e15'),
        ]),
      ),
    },
  }));
  const bob = contender('bob').take();
  await clock.advance(66 * SECOND);
  await bob;
});

test('boot time that leaps alone costs a holder one confirmation by the API server; without an answer it is lost', async () => {
  for (const answered of [true, false]) {
    const { contender, clock, requests } = world();
    const alice = contender('alice');
    const lock = await alice.take();
    requests.length = 0;
    if (!answered) alice.disturb('PUT', ...Array.from({ length: 200 }, () => 'request' as const));
    clock.doubt();
    await clock.advance(14 * SECOND);
    assert.equal(requests[0], 'alice PUT');
    assert.equal(lock.isLost(), !answered);
  }
});
