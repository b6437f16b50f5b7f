/** Priority that grows with the wait, as a table: who waits writes it into its own entry, and everybody goes by what is written. Times are in seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import { PRIORITY_LIMIT } from '../../src/protocol/lock-state.ts';
import { type Decision, decide } from '../../src/protocol/rules.ts';
import { alice, at, me, SECOND, type Shape, seen, toldOf } from './shapes.ts';

const ageing = { ...me, policies: { ageStepMs: 10 * SECOND } };

/** What I decide after having waited so long, with the priority that I then have written down. */
function decided(shape: Shape, waited: number, who = ageing): string {
  const asking = { me: who, ticket: 3, waitedMs: waited * SECOND };
  const decision = decide(seen([0, shape]), asking, { now: at(30), wall: new Date(0), mark: 'mark' });
  const priority = priorityIn(decision);
  return toldOf(decision) + (priority === undefined ? '' : ` with ${priority}`);
}

function priorityIn(decision: Decision): number | undefined {
  if (decision.kind !== 'enqueue') return undefined;
  const parsed = parseLease(decision.lease);
  assert.ok(parsed.kind === 'state');
  return parsed.state.waiters.find(({ id }) => id === 'me')?.priority;
}

const queue = (mine: number, others: NonNullable<Shape['waiters']>): Shape => ({
  ...alice,
  waiters: [[3, 'me', mine], ...others],
});
const high = queue(0, [[4, 'bob', 2]]);

const TABLE: readonly (readonly [situation: string, shape: Shape, waited: number, decision: string])[] = [
  ['a step is not over yet', high, 9, 'wait until 31 at 1 behind alice'],
  ['one is over', high, 10, 'enqueue 3 at 1 behind alice with 1'],
  ['three are, and one would do', high, 39, 'enqueue 3 at 1 behind alice with 3'],
  ['it is written, and the next is not over yet', queue(1, [[4, 'bob', 2]]), 14, 'wait until 36 at 1 behind alice'],
  ['it has caught up, and stands first by its ticket', queue(2, [[4, 'bob', 2]]), 60, 'wait until 66 at 0 behind alice'],
  ['nobody before me has a higher priority', queue(0, [[2, 'bob']]), 60, 'wait until 68 at 1 behind alice'],
  [
    'my entry has gone: it comes back as old as it is',
    { ...alice, waiters: [[4, 'bob', 2]] },
    15,
    'enqueue 3 at 1 behind alice with 1',
  ],
  ['somebody has raised me', queue(5, [[4, 'bob', 7]]), 15, 'wait until 68 at 1 behind alice'],
  ['somebody has lowered me: it grows back', queue(-9, [[4, 'bob', 7]]), 15, 'enqueue 3 at 1 behind alice with 1'],
];

for (const [situation, shape, waited, expected] of TABLE) {
  test(`${situation}: ${expected}`, () => assert.equal(decided(shape, waited), expected));
}

test('without an age step nobody grows', () => {
  assert.equal(decided(high, 3600, { ...me, policies: { ageStepMs: 0 } }), 'wait until 68 at 1 behind alice');
});

test('a priority has a limit, and at it nothing more is written', () => {
  const day = 86_400;
  const old = { ...me, priority: PRIORITY_LIMIT - 2, policies: { ageStepMs: 1 } };
  const before = (mine: number) => queue(mine, [[4, 'bob', PRIORITY_LIMIT + 1]]);
  assert.equal(decided(before(PRIORITY_LIMIT - 2), day, old), `enqueue 3 at 1 behind alice with ${PRIORITY_LIMIT}`);
  assert.equal(decided(before(PRIORITY_LIMIT), day, old), 'wait until 68 at 1 behind alice');
});
