/** What has not happened: looked for every few seconds, where nothing excuses it. Invariants 4 and 5 of docs/protocol.md. */
import { type Doc, type Entry, isAgreed, isAhead, permitsIn } from '../document.ts';
import { CLAIM_WINDOW_MS, type Facts, isFree, isFull, POLL_MS, type Waiting } from './facts.ts';
import { holderKeys } from './writes.ts';

/** `calmSince`: the last time that anything but a participant went wrong. */
export function sweep(facts: Facts, at: number, calmSince: number): void {
  const able = [...facts.waiting.values()].filter((me) => isAble(me, at, calmSince));
  missing(facts, at, new Set(able));
  unclaimed(facts, at, { able, calmSince });
  roomLeft(facts, at, { able, calmSince });
}

/** Nothing but its watch, which no promise depends on, has hindered it for as long as it may take to look. */
const isAble = ({ troubles, hinderedAt, since }: Waiting, at: number, calmSince: number): boolean =>
  ![...troubles].some((source) => source !== 'watch') && Math.max(hinderedAt, since, calmSince) < at - POLL_MS;

function missing({ doc, waiting, violate }: Facts, at: number, able: Set<Waiting>): void {
  // Whoever finds no room in the queue waits beside it.
  const full = doc !== undefined && isFull(doc);
  const present = new Set([...(doc?.waiters ?? []), ...(doc?.holders ?? [])].map(({ nonce }) => nonce));
  for (const me of waiting.values()) {
    if (full || !able.has(me) || present.has(me.author.nonce)) me.missingSince = undefined;
    else me.missingSince ??= at;
    if (me.missingSince === undefined || at - me.missingSince <= POLL_MS) continue;
    const seconds = ((at - me.missingSince) / 1000).toFixed(0);
    violate(at, 'nobody is lost', `${me.author.name} waits, and has not been in the queue for ${seconds}s`);
  }
}

function unclaimed(facts: Facts, at: number, { able, calmSince }: { able: Waiting[]; calmSince: number }): void {
  if (able.length === 0) return;
  const { doc, freedAt, changedAt, deletedAt, ghosts, violate } = facts;
  // Whoever was hindered has seen the holder only after that.
  const first = Math.min(...able.map(({ since, hinderedAt }) => Math.max(since, hinderedAt)));
  const longest = Math.max(...able.map(({ author }) => author.durationMs));
  const unreadable = doc !== undefined && holderKeys(doc).length > doc.holders.length;
  const free = doc === undefined || isFree(doc);
  const held = Math.max(
    ...(doc?.holders ?? []).map(({ durationMs }) => durationMs || 120_000),
    (doc?.lease.spec?.leaseDurationSeconds ?? 0) * 1000 || longest,
    unreadable ? longest : 0,
  );
  // Who knows of no holder of a deleted Lease waits for none.
  const honoured = Math.min(...able.map(({ author }) => ghosts.honouredUntil(author)));
  const freeSince = Math.max(freedAt, deletedAt, honoured, free ? changedAt : Math.max(changedAt, first) + held * 1.15 + 3000);
  const patience = POLL_MS + CLAIM_WINDOW_MS * 1.05 * (doc?.waiters.length ?? 0) + 10_000;
  if (at - Math.max(freeSince, calmSince) > patience) {
    const seconds = (freeSince / 1000).toFixed(0);
    violate(at, 'a free lock is claimed in time', `free since ${seconds}s, ${able.length} wait, nobody claims`);
  }
}

/** Beside those that share the lock, somebody is let in once there is room, however many of those that stand before it are dead. */
function roomLeft(facts: Facts, at: number, { able, calmSince }: { able: Waiting[]; calmSince: number }): void {
  const { doc, violate } = facts;
  const queue = [...(doc?.waiters ?? [])].sort((a, b) => (isAhead(a, b) ? -1 : 1));
  const first = queue.find(({ nonce }) => facts.waiting.has(nonce));
  if (!doc || !first || !hasRoom(doc, first)) {
    facts.roomFor = undefined;
    return;
  }
  // Each change of hands gives those before it their windows anew.
  if (facts.roomFor?.nonce !== first.nonce || facts.roomFor.transitions !== doc.lease.spec?.leaseTransitions)
    facts.roomFor = { nonce: first.nonce, transitions: doc.lease.spec?.leaseTransitions, since: at };
  const me = able.find(({ author }) => author.nonce === first.nonce);
  if (!me) return;
  const dead = queue.slice(0, queue.indexOf(first)).map(({ durationMs }) => CLAIM_WINDOW_MS + durationMs * 1.15 + 3000);
  const patience = POLL_MS + 10_000 + 1.05 * dead.reduce((sum, ms) => sum + ms, 0);
  const since = Math.max(facts.roomFor.since, me.hinderedAt, me.since, calmSince, facts.leftAt, facts.deletedAt + 140_000);
  if (at - since > patience)
    violate(at, 'who has room is let in', `${me.author.name} has had room since ${(since / 1000).toFixed(0)}s, and waits`);
}

function hasRoom(doc: Doc, { weight }: Entry): boolean {
  if (weight === undefined || !isAgreed(doc) || holderKeys(doc).length > doc.holders.length) return false;
  const permits = permitsIn(doc) ?? Number.POSITIVE_INFINITY;
  const weights = doc.holders.map((holder) => Math.min(holder.weight ?? Number.POSITIVE_INFINITY, permits));
  if (doc.holders.some((holder) => holder.weight === undefined)) return false;
  return weights.reduce((sum, one) => sum + one, 0) + Math.min(weight, permits) <= permits;
}
