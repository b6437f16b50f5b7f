/** Priority that grows with the wait: as fast as it is waited, written only where it changes a place, and so that nobody is starved. Invariant 3a of docs/protocol.md. */
import { type Doc, type Entry, isAhead } from '../document.ts';
import type { Author } from '../history.ts';
import { inTrueMs } from './delays.ts';
import type { Facts, LandedWrite, Waiting } from './facts.ts';
import { handedIn } from './writes.ts';

/** Until somebody who is punctual has learned of one that stands before it, and has written that it is older. */
const CATCHES_UP_MS = 10_000;

/** What stands in the document, for everybody; else what it has come with. */
export const priorityIn = (doc: Doc, { nonce, priority = 0 }: Author): number =>
  doc.waiters.find((entry) => entry.nonce === nonce)?.priority ?? priority;

/** Whose entry has vanished has aged all the same: only it knows by how much. */
export const agesUnseen = ({ waiters }: Doc, { nonce, policies }: Author): boolean =>
  (policies?.ageStepMs ?? 0) > 0 && !waiters.some((entry) => entry.nonce === nonce);

export function judgeAges(facts: Facts, at: number, write: LandedWrite): void {
  const { kind, author, before, after } = write;
  if (kind === 'enqueue') judgeGrowth(facts, at, write);
  if (!before) return;
  const mine = kind === 'claim' ? after.holders.find(({ nonce }) => nonce === author.nonce) : undefined;
  if (mine && !agesUnseen(before, author)) judgeServed(facts, at, before, { ...mine, priority: priorityIn(before, author) });
  for (const { nonce } of handedIn(before, after)) {
    const next = before.waiters.find((entry) => entry.nonce === nonce);
    if (next) judgeServed(facts, at, before, next);
  }
}

function judgeGrowth({ waiting, violate }: Facts, at: number, { author, before, after }: LandedWrite): void {
  const { ageStepMs = 0 } = author.policies ?? {};
  const wrote = after.waiters.find(({ nonce }) => nonce === author.nonce);
  const had = before?.waiters.find(({ nonce }) => nonce === author.nonce);
  const base = author.priority ?? 0;
  const since = waiting.get(author.nonce)?.since;
  if (!wrote || since === undefined || wrote.priority === had?.priority) return;
  const most = base + (ageStepMs > 0 ? Math.floor(inTrueMs(at - since) / ageStepMs) : 0);
  if (wrote.priority > most)
    violate(at, 'nobody ages faster than it waits', `${author.name} wrote ${wrote.priority}, and is ${most} at most`);
  if (had && !before?.waiters.some(({ priority }) => priority > had.priority))
    violate(at, 'nobody ages for nothing', `${author.name} wrote ${wrote.priority}, with nobody before it for that`);
}

/** `next` is served: those that came before it, and have waited long enough to stand before it, are not passed over. */
function judgeServed(facts: Facts, at: number, before: Doc, next: Entry): void {
  const { waiting, standing, violate } = facts;
  // Two that age may take turns in standing before each other.
  if (next.priority !== waiting.get(next.nonce)?.author.priority) return;
  const seenSince = standing.get(next.key) ?? at;
  for (const entry of before.waiters) {
    const other = waiting.get(entry.nonce);
    if (!other || entry.nonce === next.nonce || isAhead(entry, next) || entry.ticket > next.ticket) continue;
    const { ageStepMs = 0 } = other.author.policies ?? {};
    if (ageStepMs === 0 || !other.patient) continue;
    const dueAt = other.since + inTrueMs((next.priority - (other.author.priority ?? 0)) * ageStepMs);
    const could = Math.max(dueAt, seenSince) + CATCHES_UP_MS;
    if (at <= could || !isPunctual(other, at - CATCHES_UP_MS)) continue;
    const waited = ((at - other.since) / 1000).toFixed(0);
    violate(
      at,
      'who ages is not starved',
      `${next.key} (${next.priority}) was served before ${other.author.name}, who waits for ${waited}s`,
    );
  }
}

const isPunctual = ({ troubles, troubledAt, since, watchesSince }: Waiting, before: number): boolean =>
  troubles.size === 0 && watchesSince < before && (troubledAt === since || troubledAt < before);
