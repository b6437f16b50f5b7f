/** What a story has shown: that nobody overlapped, that nothing is left, and the evidence that is kept of it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finished } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import type { Cell, Story } from './cell.ts';
import type { Evidence } from './evidence.ts';
import { freeByAlice } from './history.ts';
import { describe, firstRun, isAlive, lastLife, marked, type Process, started } from './processes.ts';

/** Everybody who ran: nobody's first process may start while another's is alive, and no one's sign of life may come after. */
export function assertNoOverlap({ folder }: Story): void {
  const file = join(folder, 'overlaps');
  assert.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', '', 'a process of another contender was alive');
  const everybody = [...new Set(started(folder).map(({ who }) => who))];
  const intervals = everybody.map((who) => ({ who, from: firstRun(folder, who) ?? 0, to: lastLife(folder, who) }));
  intervals.sort((a, b) => a.from - b.from);
  for (const [i, { who, from }] of intervals.entries()) {
    const before = intervals.slice(0, i).find(({ to }) => to > from);
    assert.equal(
      before,
      undefined,
      `${who} started ${before && before.to - from} ms before the last sign of life of ${before?.who}`,
    );
  }
}

export async function assertNothingLeft({ folder, request }: Story, helpers: Process[]): Promise<void> {
  const left = () => [...marked(folder), ...helpers.filter(isAlive)];
  // A helper of a guard may need a moment to see that there is nothing left to do.
  await until(
    () => left().length === 0,
    () => `processes are left behind: ${left().map(describe).join('; ')}`,
    10_000,
  );
  const { status, body } = await request('GET');
  if (status === 404) return;
  assert.equal(body.spec.holderIdentity, '', 'the lock is still held');
  const entries = Object.keys(body.metadata.annotations ?? {}).filter((name) => /^(holder|waiter)\./.test(name));
  assert.deepEqual(entries, [], 'entries are left in the lock');
}

export interface Seen {
  group: string;
  cell: Cell;
  alice: Finished;
  lastSeen: number;
}

export function evidenceOf(story: Story, { group, cell, alice, lastSeen }: Seen): Evidence {
  const dead = Math.max(lastSeen, lastLife(story.folder, 'alice'));
  const free = cell.freeFrom?.(story) ?? freeByAlice(story);
  const about = alice.stderr.split('\n').filter((line) => /lost|released|restored|stopped|not released/.test(line));
  const said = (about.find((line) => line.includes('lost')) ?? about.at(-1) ?? alice.stderr.trim().split('\n').at(-1) ?? '')
    .replace(/^k8s-lease-lock: /, '')
    .replaceAll(/(updating|reading) Lease \S+: /g, '')
    .replaceAll(/Lease \S+\/lock/g, 'the lock')
    .replaceAll(story.namespace, 'NAMESPACE')
    .replace('; stopping the command', '')
    .replace(/\. Allow get, watch.*/, '. Allow …');
  const evidence = {
    group,
    cell: cell.name,
    why: cell.why,
    code: alice.code ?? alice.signal ?? '',
    said,
    freeBy: free.by,
    deadBeforeFreeMs: free.at - dead,
    deadBeforeNextMs: (firstRun(story.folder, 'bob') ?? 0) - dead,
  };
  assert.ok(evidence.deadBeforeFreeMs > 0, `the lock was free ${-evidence.deadBeforeFreeMs} ms before the command was gone`);
  return evidence;
}
