/** A lock as the page shows it: text that is safe to show, and moments in place of ages, so that nothing changes but what has changed. */
import type { HolderReport, LockReport, WaiterReport } from '../../src/protocol/report.ts';
import { permitsTaken } from '../../src/protocol/room.ts';
import { visible } from '../../src/visible.ts';
import { describeAbsent, type Lock } from '../operate/locks.ts';
import { COLOURS, describeClient, describeLife, describeNext, type StateWord, stateOf } from '../operate/words.ts';

export interface HolderView {
  key: string;
  id: string;
  who: string;
  /** Milliseconds since 1970, by the API server's clock; so are the other moments. */
  sinceAt: number | undefined;
  renewedAt: number | undefined;
  expiresAt: number | undefined;
  /** What is not as it should be, in a sentence. */
  trouble: string | undefined;
  reason: string;
  /** http or https, else empty. */
  link: string;
}

export interface WaiterView {
  key: string;
  id: string;
  who: string;
  since: number | undefined;
  priority: number;
  reason: string;
}

export interface LockView {
  namespace: string;
  name: string;
  state: StateWord;
  tone: string;
  next: string;
  /** `2 of 5 taken`, where the lock is shared. */
  permits: string;
  holders: HolderView[];
  queue: WaiterView[];
  /** Who has asked for it, and who has cleared a holder. */
  notes: string[];
  /** How often it has changed hands. */
  transitions: number;
}

/** `nowMs`: the moment that the report refers to. */
export function viewOf(lock: Lock, nowMs: number): LockView {
  const { namespace, name } = lock;
  const bare = { namespace, name, permits: '', holders: [], queue: [], notes: [], transitions: 0 };
  if (lock.kind === 'absent') return { ...bare, state: 'Absent', tone: '', next: describeAbsent(lock) };
  if (lock.kind === 'unreadable') return { ...bare, state: 'Unknown', tone: 'yellow', next: visible(lock.message) };
  const { report } = lock;
  const state = stateOf(report);
  return {
    namespace,
    name,
    state,
    tone: COLOURS[state] ?? '',
    next: describeNext(report),
    permits: permitsOf(report),
    holders: report.holders.map((each) => holderView(each, nowMs)),
    queue: report.queue.map((each) => waiterView(each, nowMs)),
    notes: notesOf(report),
    transitions: report.state.transitions,
  };
}

function holderView(report: HolderReport, nowMs: number): HolderView {
  const { holder, life, heldMs, renewedAgoMs, expiresInMs } = report;
  const { id, key, about } = holder;
  const trouble = life === 'alive' || life === 'kept' ? describeClient(report) : describeLife(report);
  return {
    key: holder.standing === 'foreign' ? id : key,
    id: visible(id),
    who: visible([about.who, about.host && `on ${about.host}`].filter(Boolean).join(' ')),
    sinceAt: heldMs === undefined ? undefined : nowMs - heldMs,
    renewedAt: renewedAgoMs === undefined ? undefined : nowMs - renewedAgoMs,
    expiresAt: expiresInMs === undefined ? undefined : nowMs + expiresInMs,
    trouble,
    reason: visible(about.reason ?? ''),
    link: linkOf(about.url),
  };
}

function waiterView({ waiter, waitingMs }: WaiterReport, nowMs: number): WaiterView {
  const { key, id, priority, about } = waiter;
  const since = waitingMs === undefined ? undefined : nowMs - waitingMs;
  return { key, id: visible(id), who: visible(about.who ?? ''), since, priority, reason: visible(about.reason ?? '') };
}

function permitsOf({ state }: LockReport): string {
  const taken = permitsTaken(state.holders);
  if (state.permits === undefined) return taken === 0 ? '' : `${taken} taken, no limit`;
  return `${taken} of ${state.permits} taken`;
}

function notesOf({ stop, unlocked }: LockReport): string[] {
  const because = (reason: string | undefined) => (reason ? `: ${reason}` : '');
  const asked = stop && `${stop.holder} has been asked to stop by ${stop.by || 'an unnamed client'}${because(stop.reason)}`;
  const cleared = unlocked && `${unlocked.by} cleared the holder ${unlocked.holder} at ${unlocked.at}${because(unlocked.reason)}`;
  return [asked, cleared].flatMap((note) => (note ? [visible(note)] : []));
}

/** Nothing that a browser would run. */
function linkOf(url: string | undefined): string {
  if (!url || !URL.canParse(url)) return '';
  const { protocol, href } = new URL(url);
  return protocol === 'https:' || protocol === 'http:' ? href : '';
}
