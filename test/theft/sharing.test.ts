/** Several hold the lock together under the policy of deploy/holders: the rightful come, stay and go, and none of them takes anything from another. */
import assert from 'node:assert/strict';
import type { Answer } from '../harness/api.ts';
import { until } from '../harness/until.ts';
import type { Contender, Credentials } from './contender.ts';
import { guarded, type Lab } from './lab.ts';
import { type Change, LOCK_ENTRY, notes, now, write } from './writes.ts';

const PERMITS = { weight: 1, permits: 2 };
const ENTRY = 'holder.lease-lock.nullplatform.com/';

const entryOf = (lease: Parameters<Change>[0], user: string): string => {
  const found = Object.keys(notes(lease)).find(
    (key) => key.startsWith(ENTRY) && notes(lease)[key]?.startsWith(`{"id":"user/${user}`),
  );
  assert.ok(found, `${user} has an entry`);
  return found;
};

guarded('a semaphore lets so many in, and the next when one of them leaves or dies', async (lab) => {
  const of = (user: string): Promise<Contender> =>
    lab.contender(lab.user(user), { policies: PERMITS, durationMs: 3000, holder: `user/${user}/1` });
  const [alice, bob, carol, dave] = await Promise.all(['alice', 'bob', 'carol', 'dave'].map(of));
  const first = await alice?.take();
  const second = await bob?.take();
  const waits = carol?.acquire();
  await until(() => carol?.events.some(({ type }) => type === 'waiting') ?? false, 'carol waits');
  // Each of them renews beside the other.
  for (const one of [alice, bob]) await until(() => one?.events.some(({ type }) => type === 'renewed') ?? false, 'it is renewed');
  assert.equal((await first?.release())?.kind, 'released');
  assert.equal((await waits)?.kind, 'held');
  assert.equal(second?.isLost(), false);
  // Bob is gone without a word: his permit is free when his lease is over, while carol renews.
  second?.abandon();
  assert.equal((await dave?.acquire())?.kind, 'held');
  assert.deepEqual(Object.keys(notes(await lab.lease())).filter((key) => key.startsWith(ENTRY)).length, 2);
  assert.ok(!carol?.events.some(({ type }) => type === 'lost'));
});

interface Robbery {
  who: 'bob' | 'thief';
  what: string;
  change: Change;
  said: RegExp;
}

const shown = (lease: Parameters<Change>[0]) => JSON.parse(notes(lease)[LOCK_ENTRY] ?? '{}') as Record<string, unknown>;
const lockWith =
  (more: object): Change =>
  (lease) => {
    lease.spec = { ...lease.spec, renewTime: now() };
    notes(lease)[LOCK_ENTRY] = JSON.stringify({ ...shown(lease), ...more });
  };
const renewedWith =
  (more: object): Change =>
  (lease) => {
    lease.spec = { ...lease.spec, renewTime: now(), ...more };
  };
const HIS = '{"id":"user/thief/1","mark":"m","duration":60,"weight":1}';
const joined: Change = (lease) => Object.assign(notes(lease), { [`${ENTRY}000009-t`]: HIS });

/** The API server believes what a writer says of managedFields, where it can be read. */
const recorded =
  (change: (entries: NonNullable<Parameters<Change>[0]['metadata']['managedFields']>, field: string) => void): Change =>
  (lease) => {
    const field = `f:${entryOf(lease, 'alice')}`;
    change(lease.metadata.managedFields ?? [], field);
    lease.metadata.labels = { ...lease.metadata.labels, touched: 'yes' };
  };
const LONG_AGO = '2020-01-01T00:00:00Z';

const ROBBERIES: Robbery[] = [
  {
    who: 'bob',
    what: 'takes her entry out',
    change(lease) {
      renewedWith({})(lease);
      delete notes(lease)[entryOf(lease, 'alice')];
    },
    said: /its entry may not be changed or removed/,
  },
  {
    who: 'bob',
    what: 'makes her entry unreadable',
    change(lease) {
      renewedWith({})(lease);
      notes(lease)[entryOf(lease, 'alice')] = '{}';
    },
    said: /must begin with|may not be changed or removed/,
  },
  {
    who: 'bob',
    what: 'clears the lock',
    change: renewedWith({ holderIdentity: '', leaseDurationSeconds: 1 }),
    said: /the holder cannot be cleared/,
  },
  {
    who: 'bob',
    what: 'shortens the lease',
    change: renewedWith({ leaseDurationSeconds: 1 }),
    said: /must not be below its duration/,
  },
  {
    who: 'bob',
    what: 'asks her to stop',
    change: lockWith({ stop: { holder: 'user/alice/1', by: 'bob', kind: 'unlock' } }),
    said: /a request to stop may not be changed/,
  },
  { who: 'bob', what: 'writes a policy that nobody knows', change: lockWith({ must: ['x'] }), said: /its version, its permits/ },
  { who: 'bob', what: 'writes a version that nobody reads', change: lockWith({ v: 2 }), said: /its version, its permits/ },
  { who: 'bob', what: 'adds permits', change: lockWith({ permits: 9 }), said: /its permits/ },
  {
    who: 'thief',
    what: 'dates her last write back',
    change: recorded((entries, field) => {
      for (const entry of entries) if (JSON.stringify(entry.fieldsV1).includes(field)) entry.time = LONG_AGO;
    }),
    said: /when another client that shares the lock last wrote/,
  },
  {
    who: 'thief',
    what: 'records another write of hers, long ago',
    change: recorded((entries, field) => {
      const fieldsV1 = { 'f:metadata': { 'f:annotations': { [field]: {} } } };
      entries.push({
        ...entries[0],
        manager: 'third',
        operation: 'Update',
        apiVersion: 'coordination.k8s.io/v1',
        fieldsType: 'FieldsV1',
        time: LONG_AGO,
        fieldsV1,
      } as (typeof entries)[number]);
    }),
    said: /when another client that shares the lock last wrote/,
  },
  {
    who: 'thief',
    what: 'joins, and takes her entry out',
    change(lease) {
      renewedWith({})(lease);
      joined(lease);
      delete notes(lease)[entryOf(lease, 'alice')];
    },
    said: /its entry may not be changed or removed/,
  },
  {
    who: 'thief',
    what: 'takes the lock for himself',
    change(lease) {
      renewedWith({ holderIdentity: 'user/thief/1' })(lease);
      Object.assign(notes(lease), { [`${ENTRY}000009-t`]: HIS.replace(',"weight":1', '') });
    },
    said: /has not expired/,
  },
  {
    who: 'thief',
    what: 'joins in the name of another',
    change(lease) {
      renewedWith({})(lease);
      Object.assign(notes(lease), { [`${ENTRY}000009-t`]: HIS.replace('thief', 'carol') });
    },
    said: /has not expired|must begin with/,
  },
];

async function sharedByBoth(lab: Lab): Promise<Record<Robbery['who'], Credentials>> {
  for (const user of ['alice', 'bob']) {
    const one = await lab.contender(lab.user(user), {
      policies: { weight: 1, permits: 3 },
      durationMs: 60_000,
      holder: `user/${user}/1`,
    });
    await one.take();
  }
  // Stamps are in whole seconds: within the first of them a second one looks like the first.
  const { spec } = await lab.lease();
  await until(() => Date.now() >= Date.parse(String(spec.renewTime)) + 2000, 'two seconds have passed');
  return { bob: lab.user('bob'), thief: lab.user('thief') };
}

guarded('who shares the lock, or comes to share it, takes nothing from another', async (lab) => {
  const users = await sharedByBoth(lab);
  const doAs = (who: Robbery['who'], change: Change): Promise<Answer> =>
    write(lab, users[who], change, { manager: `k8s-lease-lock-${who}` });
  for (const { who, what, change, said } of ROBBERIES) {
    const answer = await doAs(who, change);
    assert.match(answer.text, said, `${who} ${what}: ${answer.status}`);
    assert.ok(answer.status === 403 || answer.status === 422, `${who} ${what}: ${answer.status}`);
  }
  const joins = await doAs('thief', (lease) => {
    renewedWith({})(lease);
    joined(lease);
  });
  assert.equal(joins.status, 200, joins.text);
});
