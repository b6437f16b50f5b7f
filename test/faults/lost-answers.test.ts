/** The fault matrix, answers: a write is carried out, and its answer is late or lost; or the write itself is lost. */
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Asked, type Behaviour, late, lostAnswer, lostSuccess, pass, reset, silence } from '../harness/fault-behaviours.ts';
import { until } from '../harness/until.ts';
import { lasting } from './answers.ts';
import { type Cell, DURATION_MS } from './cell.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';

const writes =
  (behaviour: Behaviour) =>
  ({ verb }: Asked): Behaviour =>
    verb === 'write' ? behaviour : pass;
const firstWrite =
  (behaviour: Behaviour) =>
  ({ verb, nth }: Asked): Behaviour =>
    verb === 'write' && nth === 1 ? behaviour : pass;
const firstRelease = (behaviour: Behaviour) => {
  let done = false;
  return ({ lease }: Asked): Behaviour => {
    if (done || lease?.spec.holderIdentity !== '') return pass;
    done = true;
    return behaviour;
  };
};

const cells: Cell[] = [
  lasting('each write is carried out immediately and answered after its deadline', late(1500), /no answer within 1s/),
  {
    name: 'each write is carried out immediately and answered after its deadline, but the watch shows it',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(writes(late(1500)));
      await sleep(DURATION_MS + 2000);
      proxy.set(undefined);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'a renewal is carried out and its answer lost',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(firstWrite(lostAnswer));
      // The watch may show that it was done before the loss is noticed: then there is no trouble to tell of.
      const renewedAfter = () => proxy.answers.slice(proxy.answers.lastIndexOf('write -')).includes('write 200');
      await until(
        () => proxy.answers.includes('write -') && renewedAfter(),
        () => `not renewed again: ${proxy.answers}`,
      );
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'a renewal is lost before it is carried out',
    why: REASONS.kept,
    async inject({ proxy, alice }) {
      proxy.set(firstWrite(reset));
      await alice.says(/renewed Lease \S+ again/);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'the answer of every successful renewal is lost, for longer than a lease',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(writes(lostSuccess));
      await sleep(DURATION_MS + 2000);
      proxy.set(undefined);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'the claim is carried out and its answer lost',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(lostAnswer)),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the claim is lost before it is carried out',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(reset)),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the claim is carried out and answered after its deadline',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(late(2500))),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the release is carried out and its answer lost',
    why: REASONS.gone,
    inject: ({ proxy }) => proxy.set(firstRelease(lostAnswer)),
    outcome: 'goes on',
    code: 0,
    says: [/released Lease/],
  },
  {
    name: 'the release is lost before it is carried out',
    why: REASONS.gone,
    inject: ({ proxy }) => proxy.set(firstRelease(reset)),
    outcome: 'goes on',
    code: 0,
    says: [/released Lease/],
  },
  {
    name: 'the release is tried again and again, and gets no answer',
    why: REASONS.remembered,
    inject: ({ proxy }) => proxy.set(writes(silence)),
    outcome: 'goes on',
    code: 0,
    says: [/the lock expires by itself/],
  },
];

describe('answers that are lost', { concurrency: 5 }, () => cellTests('answers', cells));
