/** What has not happened: looked for every few seconds, where nothing excuses it. Invariants 4 and 5 of docs/protocol.md. */
import { CLAIM_WINDOW_MS, type Facts, isFree, isFull, POLL_MS, type Waiting } from './facts.ts';
import { holderKeys } from './writes.ts';

/** `calmSince`: the last time that anything but a participant went wrong. */
export function sweep(facts: Facts, at: number, calmSince: number): void {
  const able = [...facts.waiting.values()].filter((me) => isAble(me, at, calmSince));
  missing(facts, at, new Set(able));
  unclaimed(facts, at, { able, calmSince });
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
