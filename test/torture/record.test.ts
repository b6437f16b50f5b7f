/** The torture's record must be able to find what it looks for. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RawLease } from '../../src/protocol/lease.ts';
import { tempFolder } from '../harness/guards.ts';
import { newChecker } from '../simulation/checker/index.ts';
import { historyOf } from './record.ts';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const HOLDER = 'holder.lease-lock.nullplatform.com/';
const LOCK = 'lease-lock.nullplatform.com/lock';

/** The Lease at this version: held by `who` with this ticket, or free. */
function lease(version: number, seconds: number, who?: string, transitions = 1): RawLease {
  const since = new Date(T0 + seconds * 1000).toISOString().replace('Z', '000Z');
  const holder = who && {
    [`${HOLDER}00000${transitions}-${who}`]: JSON.stringify({
      id: `g/${who}`,
      mark: String(version),
      duration: 5,
      since,
      about: {},
    }),
  };
  return {
    metadata: {
      name: 'x',
      namespace: 'y',
      uid: 'u',
      resourceVersion: String(version),
      annotations: { [LOCK]: `{"v":1,"next":${transitions + 1}}`, ...holder },
    },
    spec: {
      holderIdentity: who ? `g/${who}` : '',
      leaseDurationSeconds: who ? 5 : 1,
      renewTime: since,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: transitions,
    },
  };
}

const nanos = (seconds: number) => `${BigInt(T0 + seconds * 1000) * 1_000_000n}`;

function violationOf(t: TestContext, leases: RawLease[], commands: string[]) {
  const file = join(tempFolder(t), 'commands');
  writeFileSync(file, commands.map((line) => `${line}\n`).join(''));
  const writes = leases.map((each) => ({
    lease: each,
    version: each.metadata.resourceVersion ?? '',
    receivedAt: Date.parse(each.spec?.renewTime ?? '') + 3,
  }));
  const checker = newChecker({ drift: true, skew: true, gentle: false });
  for (const { at, occurrence } of historyOf(writes, file, { deeds: new Map(), durationMs: 5000 })) checker.take(at, occurrence);
  return checker.violation?.invariant;
}

const HANDED_OVER = [lease(10, 0, 'alice'), lease(11, 2), lease(12, 3, 'bob', 2), lease(13, 4, undefined, 2)];

test('one after the other is no violation', (t) => {
  const commands = [
    `start g/alice ${nanos(0.1)} 10`,
    `alive g/alice ${nanos(1.9)}`,
    `start g/bob ${nanos(3.1)} 12`,
    `alive g/bob ${nanos(3.9)}`,
  ];
  assert.equal(violationOf(t, HANDED_OVER, commands), undefined);
});

test('a command that lives beside the next is found', (t) => {
  const commands = [
    `start g/alice ${nanos(0.1)} 10`,
    `alive g/alice ${nanos(3.5)}`,
    `start g/bob ${nanos(3.1)} 12`,
    `alive g/bob ${nanos(3.9)}`,
  ];
  assert.equal(violationOf(t, HANDED_OVER, commands), 'one at a time');
});

test('a lock that is taken from a holder in time is found', (t) => {
  const taken = [lease(10, 0, 'alice'), lease(12, 3, 'bob', 2)];
  assert.equal(violationOf(t, taken, [`start g/alice ${nanos(0.1)} 10`, `alive g/alice ${nanos(1)}`]), 'no holder is robbed');
});

test('a token that does not grow is found', (t) => {
  const commands = [
    `start g/alice ${nanos(0.1)} 10`,
    `alive g/alice ${nanos(1.9)}`,
    `start g/bob ${nanos(3.1)} 9`,
    `alive g/bob ${nanos(3.9)}`,
  ];
  assert.equal(violationOf(t, HANDED_OVER, commands), 'tokens grow');
});
