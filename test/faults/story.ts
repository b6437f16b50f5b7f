/**
 * One cell of the fault matrix as a story: alice holds the lock and runs a command, bob waits for it, something goes wrong, and bob may
 * start only when the last process of alice is gone. Both are real guards on a real API server; alice's requests go through a proxy (or a
 * wire) of the cell's own, bob's go straight. What was seen is kept as evidence; see table.ts.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import type { Cluster } from '../harness/cluster.ts';
import { kill } from '../harness/processes.ts';
import { real, realCluster } from '../harness/real.ts';
import type { Cell } from './cell.ts';
import { keepEvidence } from './evidence.ts';
import { assertNoOverlap, assertNothingLeft, evidenceOf } from './findings.ts';
import { childrenOf, isAlive, livingOf, startedBy, watchProcesses } from './processes.ts';
import { setUp } from './stage.ts';

/** Far above anything that a busy machine needs: a story that waits longer is stuck. */
const PATIENCE_MS = 90_000;

export function cellTests(group: string, cells: readonly Cell[]): void {
  for (const cell of cells) real(cell.name, async (t) => await play(t, { group, cluster: await realCluster(), cell }));
}

export async function play(
  t: TestContext,
  { group, cluster, cell }: { group: string; cluster: Cluster; cell: Cell },
): Promise<void> {
  const story = await setUp(t, cluster, cell);
  await cell.before?.(story);
  story.alice = story.guard('alice', { through: cell.via ?? 'proxy', how: cell.work ?? {}, ...cell.alice });
  await story.runs('alice');
  story.bob = story.guard('bob', { how: { livesMs: 150 }, ...cell.bob });
  await story.bob.says(/next in queue/);
  const watching = watchProcesses(story.folder);
  t.after(watching.end);
  const helpers = [story.alice, story.bob].flatMap(({ pid }) => childrenOf(pid));
  t.after(() => {
    for (const { pid } of helpers.filter(isAlive)) kill(pid);
  });

  await cell.inject(story);
  if (cell.outcome === 'goes on') {
    assert.notEqual(livingOf(story.folder, 'alice').length, 0, `alice was stopped: ${story.alice.stderr}`);
    assert.deepEqual(startedBy(story, 'bob'), []);
    story.finish('alice');
  }
  const alice = await patiently(story.alice.finished, () => `alice does not end: ${story.alice.stderr}`);
  const bob = await patiently(story.bob.finished, () => `bob does not end: ${story.bob.stderr}`);
  watching.end();

  assertNoOverlap(story);
  if (!cell.leavesLock) assert.doesNotMatch(alice.stderr, /the supervisor of the command was killed/);
  for (const pattern of cell.says ?? []) assert.match(alice.stderr, pattern);
  const codes = Array.isArray(cell.code) ? cell.code : [cell.code];
  assert.ok(codes.includes(alice.code), `alice ended with ${alice.code ?? alice.signal}, not ${codes}: ${alice.stderr}`);
  // Where either may come first, what it says has to agree with how it ended.
  if (codes.length > 1) assert.equal(/lost Lease/.test(alice.stderr), alice.code === EXIT.lost.code, alice.stderr);
  assert.equal(bob.code, 0, `bob ended with ${bob.code}: ${bob.stderr}`);
  await cell.after?.(story, alice);
  assertNoOverlap(story);
  await assertNothingLeft(story, helpers);
  keepEvidence(evidenceOf(story, { group, cell, alice, lastSeen: watching.lastSeen('alice') }));
}

async function patiently<T>(promise: Promise<T>, otherwise: () => string): Promise<T> {
  const undo = new AbortController();
  const late = sleep(PATIENCE_MS, undefined, { signal: undo.signal }).then(() => assert.fail(otherwise()));
  try {
    return await Promise.race([promise, late]);
  } finally {
    undo.abort();
    late.catch(() => {});
  }
}
