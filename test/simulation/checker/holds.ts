/** Those who have the lock: who they are, and that nobody takes it from them. Invariants 1 and 7 of docs/protocol.md, where they are decided. */
import { type Doc, isAgreed, permitsIn } from '../document.ts';
import { type Facts, type Hold, type Landed, type LandedWrite, mayStandTogether, tellsOf } from './facts.ts';
import { grantMs } from './grants.ts';

/** Nobody takes what was renewed less than its duration ago. */
export function judgeClaim(facts: Facts, at: number, { author, kind, before, after, sent }: LandedWrite): void {
  const { holds, sights, options, violate } = facts;
  // Who puts back a Lease in which he held already takes nothing: whether he may start on it, `started` sees.
  if (kind !== 'claim' || (!before && holds.has(author.nonce))) return;
  const sentTime = sent?.time ?? at;
  for (const hold of holds.values()) {
    if (hold.author.nonce === author.nonce || at >= hold.landedAt + hold.durationMs) continue;
    // It takes nothing from those that it stands beside: whether there is room, `started` sees.
    const keepsIt = tellsOf(after, hold) || !before || !tellsOf(before, hold);
    if (keepsIt && mayStandTogether(hold, { weight: author.policies?.weight })) continue;
    if (hold.author.kind !== 'ours' && (hold.cleared || hold.forced)) continue;
    // Sent before it could know of the other: it must not be started on, which `started` sees to.
    if (hold.forced || (hold.deleted && !sights.hadSeen(author, hold, sentTime))) continue;
    if (options.stampsLie && at - hold.landedAt > standingMs(hold)) continue;
    const age = ((at - hold.landedAt) / 1000).toFixed(3);
    violate(
      at,
      'no holder is robbed',
      `${author.name} claimed what ${hold.author.name} renewed ${age}s ago for ${hold.durationMs / 1000}s`,
    );
  }
}

/**
 * Where the clock of an API server steps, its stamps may call a holder dead that was silent for a moment: only those that renew in time, and are seen to,
 * are safe from that.
 */
export const standingMs = ({ durationMs }: Hold): number => (durationMs / 4 + 2 * Math.min(5000, durationMs / 6)) * 0.96;

/** What is not promised: against whoever frees the lock by force, and, over a deletion, of those who had not seen the holder before. */
export const isExcused = ({ sights }: Facts, earlier: Hold, { author, over, sentTime }: Hold): boolean =>
  earlier.forced || (over.has(earlier.author.nonce) && !sights.hadSeen(author, earlier, sentTime));

/** Whose Lease is gone, and who has not been heard of since. */
const bereft = ({ holds }: Facts): ReadonlySet<string> =>
  new Set([...holds.values()].filter(({ deleted }) => deleted).map(({ author }) => author.nonce));

/** Who has the lock after this write. */
export function recordHolds(facts: Facts, at: number, write: Landed): void {
  const { holds } = facts;
  if (!write.after) {
    for (const hold of holds.values()) hold.deleted = true;
    return;
  }
  const landed: LandedWrite = { ...write, after: write.after };
  if (write.author.kind === 'ours') recordOurs(facts, at, landed);
  else if (write.author.kind !== 'admin') recordForeign(facts, at, landed);
  contradicted(facts, landed);
  curtailed(facts, landed);
  for (const hold of holds.values()) hold.permits = Math.max(hold.permits, permitsIn(write.after) ?? 0);
  if (write.deed === 'unlock') for (const hold of holds.values()) hold.forced = true;
  forgetOver(facts, at, landed);
}

/** Whom it is handed to has it from now on, whether it knows or not; once it has written itself, it goes by that. */
function recordGrant(facts: Facts, at: number, { after, handed, to }: LandedWrite): void {
  const { holds, running, sights, waiting } = facts;
  for (const { key, nonce, durationMs } of handed) {
    const author = waiting.get(nonce)?.author ?? to;
    // It has gone, and what it had with an entry that others have put back is over.
    if (!author && !running.has(nonce)) holds.delete(nonce);
    if (!author) continue;
    sights.forget(author);
    holds.set(nonce, {
      author,
      key,
      claimVersion: after.version,
      durationMs: grantMs(durationMs),
      weight: undefined,
      granted: true,
      permits: permitsIn(after) ?? Number.POSITIVE_INFINITY,
      ...{ landedAt: at, claimedAt: at, sentTime: at, sentLocal: Number.NaN },
      ...{ forced: false, deleted: false, over: bereft(facts), cleared: false },
    });
  }
}

function recordOurs(facts: Facts, at: number, write: LandedWrite): void {
  const { author, kind, after, sent } = write;
  const { holds, kept, running, sights } = facts;
  if (kind === 'release' || kind === 'keep' || kind === 'leave') holds.delete(author.nonce);
  if (kind === 'keep') kept.set(author.nonce, at);
  recordGrant(facts, at, write);
  const mine = after.holders.find(({ nonce }) => nonce === author.nonce);
  if (!mine || (kind !== 'claim' && kind !== 'renew')) return;
  const known = holds.get(author.nonce);
  const hold = known?.granted ? { ...known, sentLocal: Number.NEGATIVE_INFINITY } : known;
  // What was seen of an earlier claim, that it may never have known of, says nothing of this one; of one that it puts back, it does.
  if (kind === 'claim' && !running.has(author.nonce)) sights.forget(author);
  holds.set(author.nonce, {
    author,
    // An old claim of its own that lands late, under another key, is not the one that it runs under.
    key: running.has(author.nonce) ? (hold?.key ?? mine.key) : mine.key,
    claimVersion: kind === 'renew' && hold ? hold.claimVersion : after.version,
    durationMs: author.durationMs,
    weight: author.policies?.weight,
    granted: false,
    permits: Math.max(hold?.permits ?? 0, permitsIn(after) ?? author.policies?.permits ?? Number.POSITIVE_INFINITY),
    landedAt: at,
    claimedAt: kind === 'claim' ? at : (hold?.claimedAt ?? at),
    sentLocal: Math.max(sent?.local ?? Number.POSITIVE_INFINITY, hold?.sentLocal ?? Number.NEGATIVE_INFINITY),
    // An old claim that lands late, over a Lease that was deleted, takes nothing from what a later write has given.
    sentTime: Math.max(sent?.time ?? at, hold?.sentTime ?? Number.NEGATIVE_INFINITY),
    forced: false,
    deleted: false,
    over: kind === 'claim' || !hold ? bereft(facts) : hold.over,
    cleared: false,
  });
}

function recordForeign(facts: Facts, at: number, { author, before, after }: LandedWrite): void {
  const { holds } = facts;
  if (after.named !== author.id) {
    if (before?.named === author.id) holds.delete(author.nonce);
    return;
  }
  const over = (before?.named === author.id && holds.get(author.nonce)?.over) || bereft(facts);
  for (const [nonce, hold] of holds) if (hold.author.id === author.id) holds.delete(nonce);
  holds.set(author.nonce, {
    author,
    key: '',
    claimVersion: after.version,
    durationMs: (after.lease.spec?.leaseDurationSeconds ?? 0) * 1000,
    weight: undefined,
    granted: false,
    permits: 1,
    landedAt: at,
    claimedAt: at,
    sentLocal: Number.POSITIVE_INFINITY,
    sentTime: at,
    forced: false,
    deleted: false,
    over,
    cleared: false,
  });
}

/** The spec no longer names somebody, and it was not he that did it. */
function contradicted({ holds }: Facts, { author, before, after }: LandedWrite): void {
  for (const hold of holds.values()) {
    if (hold.author.nonce === author.nonce || after.named === hold.author.id) continue;
    if (isAgreed(after) && tellsOf(after, hold)) continue;
    hold.cleared ||= author.kind !== 'ours';
    const intact = tellsOf(after, hold);
    const was = before !== undefined && (before.named === hold.author.id || tellsOf(before, hold));
    // Neither the spec nor an entry tells of it: nobody can know any more.
    if (hold.author.kind === 'ours' && author.kind !== 'ours' && was && !intact) hold.forced = true;
  }
}

/** Somebody else has written that a holder has less time than it believes. */
function curtailed({ holds }: Facts, { author, before, after }: LandedWrite): void {
  for (const hold of holds.values()) {
    const stated = (doc: Doc | undefined) => doc?.holders.find(({ nonce }) => nonce === hold.author.nonce)?.durationMs;
    if (author.kind === 'admin' && stated(after) !== stated(before) && stated(after) !== hold.durationMs) hold.forced = true;
  }
}

function forgetOver({ holds, running }: Facts, at: number, { after }: LandedWrite): void {
  for (const [nonce, hold] of holds) {
    const over = !running.has(nonce) && hold.landedAt + hold.durationMs * 2 < at;
    if (over && after.named !== hold.author.id && !tellsOf(after, hold)) holds.delete(nonce);
  }
}
