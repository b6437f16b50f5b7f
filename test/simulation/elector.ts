/**
 * A foreign participant after the ways of client-go's leader election: it sees whole seconds and the spec alone, dates what it
 * observes by its own clock, and on release overwrites whatever version it has just read, even where that names somebody else.
 */

import type { Answer } from '../../src/api/answers.ts';
import type { Monotonic } from '../../src/clock.ts';
import { waitUntil } from '../../src/clock.ts';
import { microTime, type RawLease, type RawSpec } from '../../src/protocol/lease.ts';
import { newClient, type Surroundings } from './client.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

export interface ForeignOptions {
  process: Process;
  random: Random;
  name: string;
  nonce: string;
}

export interface Foreign {
  author: Author;
  done: Promise<void>;
  crash(): void;
}

const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2000;

interface Elector {
  lease: RawLease | undefined;
  /** The record as it was last seen to change, in whole seconds, and when. */
  record: string;
  spec: RawSpec | undefined;
  observedAt: number;
}

export function newElector(around: Surroundings, { process, random, name, nonce }: ForeignOptions): Foreign {
  const { world, listen } = around;
  const durationMs = 15_000;
  const author: Author = { name, kind: 'elector', id: name, nonce, durationMs };
  const client = newClient(around, { process, author, manager: () => 'leader-election' });
  const { clock } = process;
  const elector: Elector = { lease: undefined, record: '', spec: undefined, observedAt: 0 };
  const later = (ms: number) => (clock.now() + ms) as Monotonic;
  let running = false;

  const observe = (lease: RawLease) => {
    elector.lease = lease;
    const record = recordOf(lease.spec);
    if (record === elector.record) return;
    elector.record = record;
    elector.spec = lease.spec;
    elector.observedAt = clock.now();
  };
  const isLeader = () => elector.spec?.holderIdentity === name;
  const isValid = () => elector.observedAt + (elector.spec?.leaseDurationSeconds ?? 0) * 1000 > clock.now();

  const put = async (spec: RawSpec): Promise<boolean> => {
    const base: RawLease = elector.lease ?? { metadata: { name: 'lock', namespace: 'ns' } };
    // A typed model: fields of the spec that it doesn't know are gone.
    const answer = await client.write({ ...base, spec }, { as: 'holder', timeoutMs: 5000 });
    if (answer.kind !== 'lease') return false;
    elector.lease = answer.lease;
    elector.record = recordOf(answer.lease.spec);
    elector.spec = answer.lease.spec;
    elector.observedAt = clock.now();
    return true;
  };
  const time = () => microTime(clock.wall());
  const held = (): RawSpec => ({ holderIdentity: name, leaseDurationSeconds: durationMs / 1000, renewTime: time() });

  async function tryAcquireOrRenew(): Promise<boolean> {
    if (isLeader() && isValid()) {
      if (
        await put({
          ...held(),
          acquireTime: elector.spec?.acquireTime ?? time(),
          leaseTransitions: elector.spec?.leaseTransitions ?? 0,
        })
      )
        return true;
    }
    const answer: Answer = await client.read({ timeoutMs: 5000 });
    if (answer.kind === 'absent') {
      elector.lease = undefined;
      return await put({ ...held(), acquireTime: time(), leaseTransitions: 0 });
    }
    if (answer.kind !== 'lease') return false;
    observe(answer.lease);
    if ((elector.spec?.holderIdentity ?? '') !== '' && isValid() && !isLeader()) return false;
    const transitions = elector.spec?.leaseTransitions ?? 0;
    return await put({
      ...held(),
      acquireTime: isLeader() ? (elector.spec?.acquireTime ?? time()) : time(),
      leaseTransitions: isLeader() ? transitions : transitions + 1,
    });
  }

  async function release(): Promise<void> {
    const answer = await client.read({ timeoutMs: 5000 });
    if (answer.kind !== 'lease') return;
    // Fresh version, stale belief: this is how a paused former leader clears the one that came after it.
    elector.lease = answer.lease;
    if (!isLeader()) return;
    await put({
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: time(),
      acquireTime: time(),
      leaseTransitions: elector.spec?.leaseTransitions ?? 0,
    });
  }

  async function renewWithinDeadline(): Promise<boolean> {
    const deadline = later(RENEW_DEADLINE_MS);
    while (clock.now() < deadline) {
      if (await tryAcquireOrRenew()) return clock.now() < deadline;
      await waitUntil(clock, later(RETRY_MS));
    }
    return false;
  }

  async function live(): Promise<void> {
    const patience = later(random.about(300_000));
    while (!(await tryAcquireOrRenew())) {
      if (clock.now() > patience) return;
      await waitUntil(clock, later(RETRY_MS * (1 + 1.2 * random.next())));
    }
    running = true;
    listen(world.now(), { type: 'started', author, token: '' });
    const workedBy = later(random.about(20_000));
    do {
      await waitUntil(clock, later(RETRY_MS));
      if (!(await renewWithinDeadline())) break;
    } while (clock.now() < workedBy);
    end('gave up the lead');
    await release();
  }

  function end(how: string): void {
    if (!running) return;
    running = false;
    listen(world.now(), { type: 'ended', author, clock: clock.now(), how });
  }

  return {
    author,
    done: live().then(() => process.crash()),
    crash() {
      process.crash();
      end('crashed');
    },
  };
}

function recordOf(spec: RawSpec | undefined): string {
  const second = (time: string | undefined) => time?.slice(0, 19);
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime, renewTime } = spec ?? {};
  return JSON.stringify([holderIdentity, leaseDurationSeconds, leaseTransitions, second(acquireTime), second(renewTime)]);
}
