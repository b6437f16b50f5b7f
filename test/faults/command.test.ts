/** The fault matrix, command: commands that are hard to stop, under a lock that is lost or done with. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { silence } from '../harness/fault-behaviours.ts';
import { until } from '../harness/until.ts';
import { type Cell, DURATION_MS, STOP_AFTER_MS, type Story } from './cell.ts';
import { startedBy } from './processes.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';
import type { Work } from './worker.ts';

/** The guard's connection dies, and the command is as it is. */
function lostUnder(name: string, work: Work): Cell {
  return {
    name: `lost: the command ${name}`,
    why: REASONS.stopped,
    work,
    async inject(story) {
      await allUp(story, 1 + (work.children?.length ?? 0));
      story.proxy.set(() => silence);
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed/],
  };
}

/** The command ends in its own time, and what it leaves behind must go before the lock does. */
function leftBehind(name: string, child: Work['children'] & object): Cell {
  return {
    name: `ended: the command leaves ${name}`,
    why: REASONS.gone,
    work: { leaves: true, children: child },
    async inject(story) {
      await allUp(story, 1 + child.length);
      writeFileSync(join(story.folder, 'leave-alice'), '');
    },
    outcome: 'ends',
    code: 0,
    says: [/left \d processes behind: stopping them/, /released Lease/],
  };
}

/** The command ends by itself just when its guard gives it up. */
function inTheMoment(offsetMs: number): Cell {
  const when = offsetMs === 0 ? 'at the moment of' : `${Math.abs(offsetMs)} ms ${offsetMs < 0 ? 'before' : 'after'}`;
  return {
    name: `lost: the command ends by itself ${when} the loss`,
    why: REASONS.stopped,
    work: { ignoresTerm: true, endsInTime: true },
    async inject({ proxy, folder, writes }) {
      proxy.set(() => silence);
      await sleep(200);
      const last = writes().at(-1)?.at ?? 0;
      writeFileSync(join(folder, 'end-at-alice'), String(last + STOP_AFTER_MS + offsetMs));
    },
    outcome: 'ends',
    code: offsetMs < -200 ? 0 : [0, EXIT.lost.code],
  };
}

const allUp = (story: Story, count: number): Promise<void> =>
  until(
    () => startedBy(story, 'alice').length >= count,
    () => `only ${startedBy(story, 'alice').length} of ${count} processes are up`,
  );

const stubborn = { ignoresTerm: true };

const cells: Cell[] = [
  lostUnder('ignores SIGTERM', stubborn),
  lostUnder('forks, and its children ignore SIGTERM', { children: [stubborn, {}, stubborn] }),
  lostUnder('forks twice: an orphan in its group', { ...stubborn, children: [{ ...stubborn, orphan: true }] }),
  lostUnder('has a child that calls setsid', { children: [{ ...stubborn, session: true }] }),
  lostUnder('has a daemon: forked twice, with a session of its own', {
    children: [{ ...stubborn, orphan: true, session: true }],
  }),
  lostUnder('has a child in a session of its own, without its environment', {
    children: [{ ...stubborn, session: true, withoutEnvironment: true }],
  }),
  lostUnder('closes its descriptors', { ...stubborn, closesDescriptors: true }),
  lostUnder('has stopped itself (SIGSTOP)', { freezes: true }),
  leftBehind('a child behind', [stubborn]),
  leftBehind('a daemon behind', [{ ...stubborn, orphan: true, session: true }]),
  ...[-500, -60, 0, 60].map(inTheMoment),
  {
    name: 'ended: the command ends by itself',
    why: REASONS.gone,
    inject: () => sleep(DURATION_MS),
    outcome: 'goes on',
    code: 0,
    says: [/released Lease/],
  },
];

describe('command', { concurrency: 4 }, () => cellTests('command', cells));
