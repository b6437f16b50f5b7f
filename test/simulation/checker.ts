/**
 * The invariants of docs/protocol.md, held against a history. It knows true time and everything that came true, so it needs nobody's
 * word; what the protocol says it does not promise is excused here, by name, and nothing else is.
 */
import { type Doc, docOf, isAhead } from './document.ts';
import type { Author, Occurrence } from './history.ts';
import { checkWrite, holderKeys, kindOf } from './writes.ts';

export interface Violation {
  at: number;
  /** The invariant, in a few words that stay the same. */
  invariant: string;
  what: string;
}

export interface CheckerOptions {
  /** Clocks differ so much that who sees an expiry first is chance. */
  drift: boolean;
  /** The API servers' clocks differ, and so does what they say of a holder's age. */
  skew: boolean;
  /** Nothing goes wrong in this run but participants that vanish: nobody else may suffer. */
  gentle: boolean;
}

/** Somebody who has, or may believe to have, the lock. */
interface Hold {
  author: Author;
  key: string;
  durationMs: number;
  /** When its last write came true, and the latest send of one that did, by its own clock. */
  landedAt: number;
  claimedAt: number;
  sentLocal: number;
  /** The send, in true time, of the last that came true. */
  sentTime: number;
  /** An administrator freed the lock from it. */
  forced: boolean;
  /** Its Lease was deleted under it at some time. */
  deleted: boolean;
  /** The spec was cleared or taken under it by somebody who does not follow the protocol. */
  cleared: boolean;
}

/** Since when an author has been shown a holder, and the holder's present text. */
interface Sighting {
  text: string;
  at: number;
  first: number;
}

const signOfLife = (doc: Doc | undefined) => JSON.stringify([doc?.named, doc?.holders, doc?.lease.spec?.renewTime]);

const tellsOf = (doc: Doc, hold: Hold) => doc.holders.some(({ nonce }) => nonce === hold.author.nonce);

interface Passing {
  at: number;
  passed: Author;
  by: Author;
  /** How many were passed over. */
  windows: number;
}

interface Waiting {
  author: Author;
  patient: boolean;
  since: number;
  troubledAt: number;
  /** The same, but for its watch, which no promise depends on. */
  hinderedAt: number;
  /** What still goes on. */
  troubles: Set<string>;
  /** Its ticket, as soon as it has been shown it. */
  ticket: number | undefined;
  missingSince: number | undefined;
  /** When it was first shown that it stands near enough to the front to keep a watch. */
  watchesSince: number;
}

export interface Checker {
  take(at: number, occurrence: Occurrence): void;
  /** Looks at what has not happened. `calmSince`: the last time that anything but a participant went wrong. */
  sweep(at: number, calmSince: number): void;
  readonly violation: Violation | undefined;
  readonly starts: number;
}

/** A live waiter without trouble reads the Lease at least this often. */
const POLL_MS = 75_000;
const CLAIM_WINDOW_MS = 2000;
const WATCHED_PLACES = 20;
/** Trouble may have left something behind (a pause before the next try) for so long. */
const AFTERMATH_MS = 8000;
/** As long as anybody honours a holder whose Lease was deleted: the longest duration here and its margin, from when he learns of it. */
const AFTER_DELETION_MS = 300_000;

export function newChecker({ drift, skew, gentle }: CheckerOptions): Checker {
  const holds = new Map<string, Hold>();
  const running = new Map<string, Author>();
  const waiting = new Map<string, Waiting>();
  /** Per author: which holders it has been shown, with which text, since when. */
  const shown = new Map<string, Map<string, Sighting>>();
  const newestShown = new Map<string, Doc>();
  /** The newest first. */
  const answers = new Map<string, { at: number; absent: boolean; version: number }[]>();
  const failedToLeave = new Set<string>();
  const gone = new Set<string>();
  const written = new Map<string, { version: number; sentTime: number }>();
  let newest: { token: number; nonce: string } | undefined;
  let violation: Violation | undefined;
  let starts = 0;
  let doc: Doc | undefined;
  let freedAt = 0;
  let changedAt = 0;
  let deletedAt = Number.NEGATIVE_INFINITY;
  let lastArrivalAt = 0;

  const violate = (at: number, invariant: string, what: string) => {
    violation ??= { at, invariant, what };
  };
  /** Had this author been shown that hold before some moment? */
  const hadSeen = (author: Author, hold: Hold, before: number) => {
    const sighting = shown.get(author.nonce)?.get(hold.author.nonce);
    return sighting !== undefined && sighting.first < before;
  };
  const excused = (earlier: Hold, later: Author, sentTime: number) =>
    earlier.forced || (earlier.deleted && !hadSeen(later, earlier, sentTime));

  function commit(at: number, event: Occurrence & { type: 'commit' }): void {
    const { author, after } = event;
    const before = event.before && docOf(event.before);
    doc = after && docOf(after);
    if (!doc) {
      deletedAt = at;
      for (const hold of holds.values()) hold.deleted = true;
      return;
    }
    if (author.kind === 'ours') ours(at, event, before, doc);
    else if (author.kind !== 'admin') foreign(at, author, before, doc);
    if (signOfLife(before) !== signOfLife(doc)) changedAt = at;
    if (doc.named === '' && before?.named !== '') freedAt = at;
    contradicted(author, before, doc);
    if (event.deed === 'unlock') for (const hold of holds.values()) hold.forced = true;
    for (const [nonce, hold] of holds) {
      const over = !running.has(nonce) && hold.landedAt + hold.durationMs * 2 < at;
      if (over && doc.named !== hold.author.id && !tellsOf(doc, hold)) holds.delete(nonce);
    }
  }

  function ours(at: number, { author, sent }: Occurrence & { type: 'commit' }, before: Doc | undefined, after: Doc): void {
    const kind = kindOf(author, before, after);
    const known = sent && answers.get(author.nonce)?.find((answer) => answer.at <= sent.time);
    if (!before && known && !known.absent) {
      violate(
        at,
        'nothing deleted comes back unawares',
        `${author.name} (${kind}) created the Lease, which was there when it last looked`,
      );
    }
    if (before)
      for (const what of checkWrite({ author, kind, before, after, priority: author.priority ?? 0 })) {
        violate(at, 'nothing of others is changed', `${author.name} (${kind}) ${what}`);
      }
    const sentTime = sent?.time ?? at;
    written.set(author.nonce, { version: after.version, sentTime });
    if (gone.has(author.nonce) && !failedToLeave.has(author.nonce) && (answers.get(author.nonce)?.[0]?.at ?? 0) <= sentTime) {
      violate(
        at,
        'nothing is left behind',
        `${author.name} gave up without looking once more after a write, which came true now`,
      );
    }
    if (kind === 'claim') {
      // Who puts back a Lease in which he held already takes nothing: whether he may start on it, `started` sees.
      if (before || !holds.has(author.nonce)) robbery(at, author, sentTime);
      order(at, author, before, after);
      pace(at, author, before, after);
    }
    if (kind === 'enqueue') {
      lastArrivalAt = at;
      const me = waiting.get(author.nonce);
      if (me) me.missingSince = undefined;
      const entry = after.waiters.find(({ nonce }) => nonce === author.nonce);
      // After a deletion, an older document may be put back, with older tickets.
      const regular = at > deletedAt + AFTER_DELETION_MS;
      if (regular && me?.ticket !== undefined && entry && entry.ticket !== me.ticket) {
        violate(at, 'nobody is lost', `${author.name} had ticket ${me.ticket} and now stands in the queue with ${entry.ticket}`);
      }
    }
    const mine = after.holders.find(({ nonce }) => nonce === author.nonce);
    if (kind === 'release' || kind === 'leave') holds.delete(author.nonce);
    else if (mine && (kind === 'claim' || kind === 'renew')) {
      const hold = holds.get(author.nonce);
      // What was seen of an earlier claim, that it may never have known of, says nothing of this one; of one that it puts back, it does.
      if (kind === 'claim' && !running.has(author.nonce)) for (const seen of shown.values()) seen.delete(author.nonce);
      const local = sent?.local ?? Number.POSITIVE_INFINITY;
      holds.set(author.nonce, {
        author,
        key: mine.key,
        durationMs: author.durationMs,
        landedAt: at,
        claimedAt: kind === 'claim' ? at : (hold?.claimedAt ?? at),
        sentLocal: Math.max(local, hold?.sentLocal ?? Number.NEGATIVE_INFINITY),
        // An old claim that lands late, over a Lease that was deleted, takes nothing from what a later write has given.
        sentTime: Math.max(sentTime, hold?.sentTime ?? Number.NEGATIVE_INFINITY),
        forced: false,
        deleted: hold?.deleted ?? false,
        cleared: false,
      });
    }
  }

  /** Invariants 1 and 7, where they are decided: nobody takes what was renewed less than its duration ago. */
  function robbery(at: number, author: Author, sentTime: number): void {
    for (const hold of holds.values()) {
      if (hold.author.nonce === author.nonce || at >= hold.landedAt + hold.durationMs) continue;
      if (hold.author.kind !== 'ours' && (hold.cleared || hold.forced)) continue;
      if (excused(hold, author, sentTime)) continue;
      // Sent before it could know of the other: it must not be started on, which `started` sees to.
      if (hold.deleted && !hadSeen(author, hold, sentTime)) continue;
      const age = ((at - hold.landedAt) / 1000).toFixed(3);
      violate(
        at,
        'no holder is robbed',
        `${author.name} claimed what ${hold.author.name} renewed ${age}s ago for ${hold.durationMs / 1000}s`,
      );
    }
  }

  /** Invariant 3. */
  function order(at: number, author: Author, before: Doc | undefined, after: Doc): void {
    const mine = after.holders.find(({ nonce }) => nonce === author.nonce);
    if (!mine || !before) return;
    const place = { priority: author.priority ?? 0, ticket: mine.ticket, nonce: author.nonce };
    const dead = [...holds.values()].filter(
      (hold) => hold.author.nonce !== author.nonce && (hold.author.id === before.named || tellsOf(before, hold)),
    );
    const unreadable = holderKeys(before).length > before.holders.length;
    const vacant = before.named === '' && before.holders.length === 0;
    const queue = before.waiters.filter((entry) => entry.nonce !== author.nonce).sort((a, b) => (isAhead(a, b) ? -1 : 1));
    const windows = queue.filter((entry) => isAhead(entry, place)).length;
    for (const [index, entry] of queue.entries()) {
      const other = waiting.get(entry.nonce);
      if (!isAhead(entry, place) || entry.priority !== place.priority || index >= WATCHED_PLACES) continue;
      if (!other?.patient || !wasPunctual(other, at)) continue;
      // Who knows of a holder in a deleted Lease waits for it, and others need not know.
      if (at < deletedAt + AFTER_DELETION_MS) continue;
      if (
        unreadable ||
        (!vacant && (drift || !dead.every((hold) => sawAsEarly({ at, passed: other.author, by: author, windows }, hold))))
      )
        continue;
      violate(
        at,
        'nobody is overtaken',
        `${author.name} (ticket ${place.ticket}) passed over ${other.author.name} (ticket ${entry.ticket}), who was punctual`,
      );
    }
  }

  /** Nothing has kept it from seeing in time what the lock is like now, and from doing something about it. */
  const wasPunctual = ({ troubles, troubledAt, since, watchesSince }: Waiting, at: number) =>
    (watchesSince < changedAt || watchesSince < since + 1000) &&
    troubles.size === 0 &&
    since < at - 1000 &&
    (troubledAt === since || troubledAt < Math.min(changedAt, at - AFTERMATH_MS));

  /** Whoever saw the last sign of life later believes in it for longer. */
  function sawAsEarly({ at, passed, by, windows }: Passing, dead: Hold): boolean {
    const his = shown.get(passed.nonce)?.get(dead.author.nonce);
    const mine = shown.get(by.nonce)?.get(dead.author.nonce);
    // By a server's clock, and not by having watched it for its duration.
    const watchedMs = dead.durationMs + Math.max(2000, dead.durationMs / 10) + windows * CLAIM_WINDOW_MS;
    if (skew && mine && at < mine.at + watchedMs * 0.99) return false;
    // A deletion dates it anew, for each when he learns of it.
    return !dead.deleted && his !== undefined && mine !== undefined && his.text === mine.text && his.at <= mine.at + 1000;
  }

  /** Invariant 4, to the second, where nothing but vanishing participants gets in the way. */
  function pace(at: number, author: Author, before: Doc | undefined, after: Doc): void {
    const me = waiting.get(author.nonce);
    const mine = after.holders.find(({ nonce }) => nonce === author.nonce);
    if (!gentle || !me || !mine || !before || before.named !== '' || before.holders.length > 0) return;
    const place = { priority: author.priority ?? 0, ticket: mine.ticket, nonce: author.nonce };
    const ahead = before.waiters.filter((entry) => isAhead(entry, place)).length;
    const since = Math.max(freedAt, lastArrivalAt, me.since);
    if (at - since > ahead * CLAIM_WINDOW_MS * 1.05 + 1000) {
      violate(
        at,
        'a free lock is claimed in time',
        `${author.name} claimed only ${((at - since) / 1000).toFixed(1)}s after it could, with ${ahead} ahead`,
      );
    }
  }

  function foreign(at: number, author: Author, before: Doc | undefined, after: Doc): void {
    if (after.named === author.id) {
      for (const [nonce, hold] of holds) if (hold.author.id === author.id) holds.delete(nonce);
      holds.set(author.nonce, {
        author,
        key: '',
        durationMs: (after.lease.spec?.leaseDurationSeconds ?? 0) * 1000,
        landedAt: at,
        claimedAt: at,
        sentLocal: Number.POSITIVE_INFINITY,
        sentTime: at,
        forced: false,
        deleted: false,
        cleared: false,
      });
    } else if (before?.named === author.id) holds.delete(author.nonce);
  }

  /** The spec no longer names somebody, and it was not he that did it. */
  function contradicted(author: Author, before: Doc | undefined, after: Doc): void {
    for (const hold of holds.values()) {
      if (hold.author.nonce === author.nonce || after.named === hold.author.id) continue;
      hold.cleared ||= author.kind !== 'ours';
      const intact = tellsOf(after, hold);
      const was = before !== undefined && (before.named === hold.author.id || tellsOf(before, hold));
      // Neither the spec nor an entry tells of it: nobody can know any more.
      if (hold.author.kind === 'ours' && author.kind !== 'ours' && was && !intact) hold.forced = true;
    }
  }

  function started(at: number, author: Author, token: string): void {
    starts += 1;
    const mine = holds.get(author.nonce);
    for (const other of running.values()) {
      const hold = holds.get(other.nonce);
      if (!hold && other.kind === 'ours')
        violate(at, 'one at a time', `${author.name} started while ${other.name} runs, whose hold is gone`);
      else if (hold && mine && !mayOverlap(at, hold, mine))
        violate(at, 'one at a time', `${author.name} started while ${other.name} still runs`);
    }
    running.set(author.nonce, author);
    if (author.kind !== 'ours') return;
    if (!mine) violate(at, 'nothing starts without the lock', `${author.name} started and no claim of it stands`);
    const value = Number(token);
    if (newest && value <= newest.token && !irregular(newest.nonce) && !irregular(author.nonce)) {
      violate(at, 'tokens grow', `${author.name} got token ${token} after ${newest.token}`);
    }
    if (!newest || value > newest.token) newest = { token: value, nonce: author.nonce };
  }

  /** Invariant 1, and all that is not promised. */
  function mayOverlap(at: number, one: Hold, other: Hold): boolean {
    const [earlier, later] = one.claimedAt <= other.claimedAt ? [one, other] : [other, one];
    if (excused(earlier, later.author, later.sentTime)) return true;
    if (earlier.author.kind !== 'ours') {
      // A foreign client that goes on after its own time, or that was cleared by another: nobody can know.
      return later.author.kind !== 'ours' || earlier.cleared || at >= earlier.landedAt + earlier.durationMs;
    }
    // It heeds the spec alone: whoever else has cleared that, has let it in. The one under whom it happened stops in time all the same.
    return later.author.kind !== 'ours' && (earlier.cleared || earlier.deleted);
  }

  const irregular = (nonce: string) => {
    const hold = holds.get(nonce);
    return hold !== undefined && (hold.forced || hold.deleted);
  };

  function ended(at: number, author: Author, clock: number): void {
    running.delete(author.nonce);
    const hold = holds.get(author.nonce);
    if (author.kind !== 'ours') return;
    if (!hold) {
      violate(at, 'nothing is let go while it runs', `${author.name}'s command ended after its hold was given up`);
      return;
    }
    // The holder's own margin is for clocks that run at another rate than its own: by true time, too, it must be over.
    const late = at - hold.sentTime - hold.durationMs;
    if (late > 0)
      violate(at, 'no command outlives its lock', `${author.name}'s ended ${late.toFixed(0)} ms after its lock, in true time`);
    const over = clock - hold.sentLocal - hold.durationMs;
    if (over > 0)
      violate(
        at,
        'no command outlives its lock',
        `${author.name}'s ended ${over.toFixed(0)} ms after its lock, by its own clock`,
      );
  }

  function show(at: number, author: Author, seenDoc: Doc): void {
    const { holders, waiters, named, lease, version } = seenDoc;
    // Older than what it knew: no news.
    if (version < (newestShown.get(author.nonce)?.version ?? 0)) return;
    newestShown.set(author.nonce, seenDoc);
    const seen = shown.get(author.nonce) ?? new Map<string, Sighting>();
    shown.set(author.nonce, seen);
    const note = (nonce: string, text: string) => {
      const before = seen.get(nonce);
      if (before?.text !== text) seen.set(nonce, { text, at, first: before?.first ?? at });
    };
    for (const { nonce, text } of holders) note(nonce, text);
    if (named !== '' && !holders.some(({ id }) => id === named)) {
      for (const hold of holds.values()) if (hold.author.id === named) note(hold.author.nonce, lease.spec?.renewTime ?? '');
    }
    const me = waiting.get(author.nonce);
    const mine = waiters.find(({ nonce }) => nonce === author.nonce);
    if (!me || !mine) return;
    me.ticket ??= mine.ticket;
    const place = waiters.filter((entry) => isAhead(entry, mine)).length;
    me.watchesSince = place < WATCHED_PLACES ? Math.min(me.watchesSince, at) : Number.POSITIVE_INFINITY;
  }

  /** After a deletion, others may put back a Lease that tells of those who have left. */
  const entryOf = ({ nonce }: Author, at: number) =>
    at < deletedAt + AFTER_DELETION_MS
      ? undefined
      : [...(doc?.holders ?? []), ...(doc?.waiters ?? [])].find((entry) => entry.nonce === nonce);

  /** Who gives up leaves nothing behind that it could have removed: it has looked after its last write, and taken out what it saw. */
  function cleanExit(at: number, author: Author): void {
    gone.add(author.nonce);
    const entry = entryOf(author, at);
    const last = written.get(author.nonce);
    if (!entry || !last || failedToLeave.has(author.nonce)) return;
    const [looked] = answers.get(author.nonce) ?? [];
    const sawIt = (looked?.version ?? 0) >= last.version;
    if (sawIt || last.sentTime >= (looked?.at ?? 0))
      violate(at, 'nothing is left behind', `${author.name} gave up, and its entry ${entry.key} is still there`);
  }

  function unqueue(nonce: string): void {
    waiting.delete(nonce);
  }

  return {
    get violation() {
      return violation;
    },
    get starts() {
      return starts;
    },
    take(at, event) {
      switch (event.type) {
        case 'commit':
          return commit(at, event);
        case 'shown':
          if (event.byAnswer)
            answers.set(event.author.nonce, [
              { at, absent: event.lease === undefined, version: event.lease ? docOf(event.lease).version : 0 },
              ...(answers.get(event.author.nonce) ?? []).slice(0, 9),
            ]);
          if (event.lease) show(at, event.author, docOf(event.lease));
          return;
        case 'queued':
          waiting.set(event.author.nonce, {
            author: event.author,
            patient: event.patient,
            since: at,
            troubledAt: at,
            hinderedAt: at,
            troubles: new Set(),
            ticket: undefined,
            missingSince: undefined,
            watchesSince: Number.POSITIVE_INFINITY,
          });
          return;
        case 'unqueued':
          if (gentle && /^unreachable/.test(event.outcome))
            violate(at, 'no needless failure', `${event.author.name}: ${event.outcome}`);
          // A document of a later version, nobody of ours may write to.
          if (!/^held|^crashed|version 2/.test(event.outcome)) cleanExit(at, event.author);
          return unqueue(event.author.nonce);
        case 'started':
          return started(at, event.author, event.token);
        case 'ended':
          return ended(at, event.author, event.clock);
        case 'lost':
          if (gentle) violate(at, 'no needless failure', `${event.author.name} lost the lock: ${event.reason}`);
          return;
        case 'troubled': {
          const me = waiting.get(event.author.nonce);
          if (!me) return;
          me.troubledAt = at;
          if (event.source !== 'watch') me.hinderedAt = at;
          if (event.lasting) me.troubles.add(event.source);
          else me.troubles.delete(event.source);
          return;
        }
        case 'said':
          if (event.what === 'could-not-leave') failedToLeave.add(event.author.nonce);
          else if (entryOf(event.author, at))
            violate(at, 'what is said is true', `${event.author.name} says ${event.what}, and its entry is still there`);
          return;
        case 'told':
          if (event.text.startsWith('threw')) violate(at, 'nothing throws', `${event.author.name} ${event.text}`);
          return;
        default:
          return event satisfies never;
      }
    },
    sweep(at, calmSince) {
      const present = new Set([...(doc?.waiters ?? []), ...(doc?.holders ?? [])].map(({ nonce }) => nonce));
      let able = 0;
      let longest = 0;
      let first = Number.POSITIVE_INFINITY;
      for (const me of waiting.values()) {
        const punctual =
          ![...me.troubles].some((source) => source !== 'watch') &&
          me.hinderedAt < at - POLL_MS &&
          me.since < at - POLL_MS &&
          calmSince < at - POLL_MS;
        if (punctual) {
          able += 1;
          first = Math.min(first, me.since);
          longest = Math.max(longest, me.author.durationMs);
        }
        if (!punctual || present.has(me.author.nonce)) me.missingSince = undefined;
        else me.missingSince ??= at;
        if (me.missingSince !== undefined && at - me.missingSince > POLL_MS) {
          violate(
            at,
            'nobody is lost',
            `${me.author.name} waits, and has not been in the queue for ${((at - me.missingSince) / 1000).toFixed(0)}s`,
          );
        }
      }
      if (able === 0) return;
      const unreadable = doc !== undefined && holderKeys(doc).length > doc.holders.length;
      const free = doc === undefined || (doc.named === '' && doc.holders.length === 0 && !unreadable);
      const held = Math.max(
        ...(doc?.holders ?? []).map(({ durationMs }) => durationMs || 120_000),
        (doc?.lease.spec?.leaseDurationSeconds ?? 0) * 1000 || longest,
        unreadable ? longest : 0,
      );
      const freeSince = Math.max(
        freedAt,
        free ? changedAt : Math.max(changedAt, first) + held * 1.15 + 3000,
        deletedAt + 140_000,
      );
      const patience = POLL_MS + CLAIM_WINDOW_MS * 1.05 * (doc?.waiters.length ?? 0) + 10_000;
      if (at - Math.max(freeSince, calmSince) > patience) {
        violate(
          at,
          'a free lock is claimed in time',
          `free since ${(freeSince / 1000).toFixed(0)}s, ${able} wait, nobody claims`,
        );
      }
    },
  };
}
