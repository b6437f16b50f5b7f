/** The fault matrix, machine: clocks that jump, run fast or slow, or count a suspend. */
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { silence } from '../harness/fault-behaviours.ts';
import { type Cell, DURATION_MS } from './cell.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';

const HOUR_MS = 3_600_000;

/** What the two clocks gain on each other in one lease is less than the margins on both sides. */
const SLOW = 0.95;
const FAST = 1.05;

function wallJumps(name: string, aliceMs: number, bobMs: number): Cell {
  return {
    name,
    why: REASONS.wall,
    alice: { fault: {} },
    bob: { fault: {} },
    async inject({ preload }) {
      preload('alice', { wallMs: aliceMs });
      preload('bob', { wallMs: bobMs });
      await sleep(DURATION_MS + 1000);
    },
    outcome: 'goes on',
    code: 0,
  };
}

function rates(name: string, alice: number, bob: number): Cell[] {
  const both = { alice: { fault: { rate: alice } }, bob: { fault: { rate: bob } }, why: REASONS.margin };
  return [
    { ...both, name, inject: () => sleep(DURATION_MS + 2000), outcome: 'goes on', code: 0 },
    {
      ...both,
      name: `${name}, and no API server answers`,
      work: { ignoresTerm: true },
      inject: ({ proxy }) => proxy.set(() => silence),
      outcome: 'ends',
      code: EXIT.lost.code,
      says: [/lost Lease/],
    },
  ];
}

const cells: Cell[] = [
  wallJumps("the holder's wall clock jumps an hour ahead, the waiter's an hour back", HOUR_MS, -HOUR_MS),
  wallJumps("the holder's wall clock jumps an hour back, the waiter's an hour ahead", -HOUR_MS, HOUR_MS),
  ...rates("the holder's clock 5 % slow, the waiter's 5 % fast", SLOW, FAST),
  ...rates("the holder's clock 5 % fast, the waiter's 5 % slow", FAST, SLOW),
  {
    name: 'suspended for an hour: boot time jumps, monotonic time does not',
    why: 'the clock that is further ahead decides',
    alice: { fault: {} },
    inject: ({ preload }) => preload('alice', { suspendedMs: HOUR_MS }),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed for 360\d/],
  },
];

describe('machine', { concurrency: 4 }, () => cellTests('machine', cells));
