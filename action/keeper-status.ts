/** What a keeper writes down for the phases of its step: how far it is, and why it did not get the lock. */
import { describeSkip, describeStop, summariseHolder } from '../src/lock/describe.ts';
import type { NotAcquired } from '../src/lock/index.ts';
import type { Log } from '../src/log.ts';
import type { Phase, Session, Status } from './job-state.ts';
import { nameOf } from './process-name.ts';
import type { Task } from './task.ts';

interface Reporting {
  task: Task;
  session: Session;
  log: Log;
}

export type Report = (phase: Phase, more?: Partial<Status>) => void;

export function reporter({ task, session, log }: Reporting): Report {
  let last: Status = {
    phase: 'starting',
    keeper: nameOf(process.pid),
    locks: task.inputs.locks,
    holder: task.identity.id,
    nonce: task.identity.nonce,
    since: '',
    waitedMs: 0,
    position: 0,
    heldBy: [],
  };
  return (phase, more = {}) => {
    const since = phase === last.phase && last.since !== '' ? last.since : new Date().toISOString();
    last = { ...last, ...more, phase, since };
    try {
      session.write(last);
    } catch (error) {
      // The lock is held all the same; whoever reads an old status takes it for lost rather than for held.
      log('error', `cannot write the status: ${(error as Error).message}`);
    }
  };
}

export function whyNot(acquisition: NotAcquired, explain401: () => string): { phase: Phase } & Partial<Status> {
  switch (acquisition.kind) {
    case 'busy': {
      const { waitedMs, position, heldBy } = acquisition;
      return { phase: 'busy', waitedMs, position, heldBy: heldBy.map(summariseHolder) };
    }
    case 'aborted':
      return { phase: 'aborted' };
    case 'refused':
      return acquisition.reason === 'credentials'
        ? { phase: 'refused', message: acquisition.message + explain401(), noCredentials: true }
        : { phase: 'refused', message: acquisition.message };
    case 'stopped':
      return {
        phase: 'refused',
        message: `the wait for the lock was ended: ${describeStop(acquisition.request, 'leave the queue')}`,
      };
    case 'skipped':
      return { phase: 'skipped', message: describeSkip(acquisition.why) };
    case 'unreachable':
      return { phase: 'unreachable', message: acquisition.message };
    default:
      return acquisition satisfies never;
  }
}
