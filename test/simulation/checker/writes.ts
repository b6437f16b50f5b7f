/**
 * What one write of ours changed, held against what such a write may change: a part of the checker that looks at two documents and at
 * nothing else.
 */
import { type Doc, type Entry, isAgreed, isAhead, LOCK, PREFIX, permitsIn } from '../document.ts';
import type { Author } from '../history.ts';
import { agesUnseen } from './ageing.ts';
import { isOlder } from './groups.ts';

export type WriteKind = 'claim' | 'renew' | 'release' | 'keep' | 'enqueue' | 'leave';

export function kindOf({ id, nonce }: Author, before: Doc | undefined, after: Doc): WriteKind {
  const own = (doc: Doc) => holderKeys(doc).filter((name) => name.endsWith(`-${nonce}`));
  const held = before && (before.named === id || isAgreed(before)) ? own(before) : [];
  const mine = after.holders.find((entry) => entry.nonce === nonce);
  if (mine?.ended && held.includes(PREFIX.holder + mine.key)) return 'keep';
  if (mine && (after.named === id || isAgreed(after))) {
    if (!held.includes(PREFIX.holder + mine.key)) return 'claim';
    // Over an entry of its own that somebody spoiled: mended by the holder, or claimed anew by one who never knew that he held.
    if (after.lease.spec?.leaseTransitions !== before?.lease.spec?.leaseTransitions) return 'claim';
    if (before?.lease.spec?.renewTime !== after.lease.spec?.renewTime) return 'renew';
  }
  if (held.length > 0 && own(after).length === 0) return 'release';
  return after.waiters.some((entry) => entry.nonce === nonce) ? 'enqueue' : 'leave';
}

/** To whom a release hands the lock. */
export const handedIn = (before: Doc | undefined, after: Doc): Entry[] =>
  after.holders.filter(({ granted, key }) => granted && !before?.holders.some((entry) => entry.key === key));

export interface CheckedWrite {
  author: Author;
  kind: WriteKind;
  before: Doc;
  after: Doc;
  priority: number;
}

/** Everything that this write should have left alone, in words. */
export function checkWrite({ author, kind, before, after, priority }: CheckedWrite): string[] {
  const wrong: string[] = [];
  const ticket = after.holders.find(({ nonce }) => nonce === author.nonce)?.ticket ?? 0;
  for (const name of new Set([...Object.keys(before.annotations), ...Object.keys(after.annotations)])) {
    if (before.annotations[name] === after.annotations[name]) continue;
    if (!mayChange(name, { author, kind, before, after, priority }, ticket)) wrong.push(`changed annotation ${name}`);
  }
  const left = after.waiters.filter(({ nonce }) => nonce === author.nonce);
  if (left.length > (kind === 'enqueue' ? 1 : 0)) wrong.push('left an entry of its own behind');
  const isAged = agesUnseen(before, author);
  const passed = after.waiters.filter((entry) => !isAged && isAhead(entry, { priority, ticket, nonce: author.nonce }));
  if (kind === 'claim' && passed.length > 0)
    wrong.push(`passed over ${passed.map(({ key }) => key).join(', ')} and left them in the queue`);
  if (kind === 'renew' && (arrivalOf(before, author) ?? arrivalOf(after, author)) !== arrivalOf(after, author))
    wrong.push('changed when it came');
  wrong.push(...lockChanges(author, kind, before, after), ...specChanges(author, kind, before, after));
  const { annotations: a1, managedFields: m1, resourceVersion: r1, labels: l1, ...metadata1 } = before.lease.metadata;
  const { annotations: a2, managedFields: m2, resourceVersion: r2, labels: l2, ...metadata2 } = after.lease.metadata;
  void [a1, a2, m1, m2, r1, r2];
  if (JSON.stringify(metadata1) !== JSON.stringify(metadata2)) wrong.push('changed metadata');
  // Whom the lock was handed to brings its labels with its first write.
  const isFirst = before.holders.some(({ nonce, granted }) => granted && nonce === author.nonce);
  const labels = { ...l1, ...((kind === 'claim' || kind === 'enqueue' || (kind === 'renew' && isFirst)) && author.labels) };
  if (JSON.stringify(labels) !== JSON.stringify(l2 ?? {})) wrong.push('changed labels');
  return wrong;
}

/** Unless an administrator has spoiled its entry. */
function arrivalOf({ holders }: Doc, { nonce }: Author): string | undefined {
  const mine = holders.find((entry) => entry.nonce === nonce);
  return mine && `${mine.came} ${mine.group ?? ''}`;
}

function mayChange(name: string, { author, kind, before, after, priority }: CheckedWrite, ticket: number): boolean {
  if (name === LOCK) return true;
  // Whether those were over that a claim takes out, is judged with the claim.
  if (kind === 'release' && handedIn(before, after).some(({ key }) => [PREFIX.holder + key, PREFIX.waiter + key].includes(name)))
    return true;
  if (name.startsWith(PREFIX.holder))
    return (kind === 'claim' && after.annotations[name] === undefined) || name.endsWith(`-${author.nonce}`);
  if (!name.startsWith(PREFIX.waiter)) return false;
  if (name.endsWith(`-${author.nonce}`)) return true;
  const entry = before.waiters.find(({ key }) => PREFIX.waiter + key === name);
  // What can't be read, any writer but a renewing one drops.
  if (!entry) return kind !== 'renew';
  const came = [...after.waiters, ...after.holders].find(({ nonce }) => nonce === author.nonce)?.came ?? 0;
  if ((kind === 'claim' || kind === 'enqueue') && isOlder(entry, author, came)) return true;
  // A ticket that leaves no room to count on stands before every newcomer, whose own begins anew.
  return kind === 'claim' && (!isTicket(entry.ticket + 1) || isAhead(entry, { priority, ticket, nonce: author.nonce }));
}

function lockChanges(author: Author, kind: WriteKind, before: Doc, after: Doc): string[] {
  const { next: n1, stop: s1, v: v1, superseded: u1, done: d1, permits: p1, ...rest1 } = before.lock;
  const { next: n2, stop: s2, v: v2, superseded: u2, done: d2, permits: p2, ...rest2 } = after.lock;
  void [v1, v2, d1, d2];
  const wrong: string[] = [];
  if (JSON.stringify(rest1) !== JSON.stringify(rest2)) wrong.push('changed unknown fields of the lock annotation');
  if (isTicket(n1) && Number(n2 ?? 0) < n1) wrong.push(`set the next ticket back from ${n1} to ${n2}`);
  const handed = kind === 'release' ? handedIn(before, after) : [];
  const mayRecord = (kind === 'claim' && author.policies?.group !== undefined) || handed.some(({ group }) => group !== undefined);
  if (!mayRecord && JSON.stringify(u1) !== JSON.stringify(u2)) wrong.push('changed who came last of a group');
  if (p1 !== p2 && !(kind === 'claim' && p1 === undefined && p2 === (permitsIn(before) ?? author.policies?.permits)))
    wrong.push('changed the permits');
  const others = after.holders.some((entry) => entry.nonce !== author.nonce && !handed.includes(entry));
  const ends = (kind === 'claim' || kind === 'release' || kind === 'keep') && (!others || concerns(s1, before, author));
  if (!ends && JSON.stringify(s1) !== JSON.stringify(s2)) wrong.push('changed the stop request');
  if (ends && s2 !== undefined) wrong.push('left a stop request behind');
  return wrong;
}

/** It asks this holder to stop. */
function concerns(stop: unknown, { holders }: Doc, { id, nonce }: Author): boolean {
  const { holder } = (stop ?? {}) as { holder?: unknown };
  return holder === id || holders.some((entry) => entry.nonce === nonce && entry.key === holder);
}

/** One that leaves room to count on. */
const isTicket = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 1e12 - 1;

const OURS: Record<WriteKind, string[]> = {
  claim: ['holderIdentity', 'leaseDurationSeconds', 'renewTime', 'acquireTime', 'leaseTransitions'],
  renew: ['renewTime', 'leaseDurationSeconds'],
  release: ['holderIdentity', 'leaseDurationSeconds', 'renewTime'],
  keep: ['leaseDurationSeconds', 'renewTime'],
  enqueue: [],
  leave: [],
};

function specChanges(author: Author, kind: WriteKind, was: Doc, { lease: after, named, holders }: Doc): string[] {
  const { lease: before } = was;
  const wrong: string[] = [];
  const one = before.spec ?? {};
  const two = after.spec ?? {};
  const handed = kind === 'release' ? handedIn(was, { lease: after, named, holders } as Doc) : [];
  const may = handed.length > 0 ? OURS.claim : OURS[kind];
  for (const field of new Set([...Object.keys(one), ...Object.keys(two)])) {
    if (!may.includes(field) && JSON.stringify(one[field]) !== JSON.stringify(two[field])) wrong.push(`changed spec.${field}`);
  }
  if ((kind === 'claim' || handed.length > 0) && two.leaseTransitions !== (one.leaseTransitions ?? 0) + 1)
    wrong.push('did not count the transition');
  if (handed.some(({ durationMs }) => durationMs !== (two.leaseDurationSeconds ?? 0) * 1000))
    wrong.push('wrote a wrong duration');
  if (kind === 'release' && (holders.length > 0 ? !holders.some(({ id }) => id === named) : named !== ''))
    wrong.push('left its name behind');
  if (kind !== 'enqueue' && kind !== 'leave' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(two.renewTime ?? ''))
    wrong.push('wrote a bad renewTime');
  const longestMs = Math.max(
    author.durationMs,
    ...holders.filter((one) => one.nonce !== author.nonce).map((one) => one.durationMs),
  );
  // Of whom the spec names nobody that can be read, nobody knows who the others are.
  const known = kind === 'claim' || (kind === 'renew' && isAgreed(was));
  // Of one whose entry is spoiled, the spec counts.
  const mostMs = Math.max(longestMs, holders.length > 1 ? (one.leaseDurationSeconds ?? 0) * 1000 : 0);
  const writtenMs = (two.leaseDurationSeconds ?? 0) * 1000;
  if (known && (writtenMs < longestMs || writtenMs > mostMs)) wrong.push('wrote a wrong duration');
  if (kind === 'renew' && (two.renewTime ?? '').slice(0, 19) === (one.renewTime ?? '').slice(0, 19))
    wrong.push('renewed within one second of client-go');
  return wrong;
}

export const holderKeys = (doc: Doc): string[] => Object.keys(doc.annotations).filter((name) => name.startsWith(PREFIX.holder));
