/**
 * Who a participant is, as written into the Lease. An id says it to people, and an admission policy can hold it against the caller: in a
 * Pod it is made of the name and uid that the Pod's own token claims. The nonce makes it unique for each run.
 */
import { createHash, randomBytes } from 'node:crypto';
import { claimsOf } from '../api/jwt.ts';
import type { UserInfo } from '../api/self-subject-review.ts';

export interface Identity {
  id: string;
  nonce: string;
  /** Nobody gave this id: where a policy wants another, it may become that. */
  derived?: boolean;
}

export interface IdentityOptions {
  /** What the user wants in front of the random part. */
  prefix: string | undefined;
  /** The credentials' bearer token, if that is what they are. */
  token: string | undefined;
  host: string;
}

/** Random for each run: whoever else is given the same id is somebody else. */
export function newIdentity({ prefix, token, host }: IdentityOptions): Identity {
  const nonce = nonceOf(randomBytes(8));
  return { nonce, id: `${prefix ?? podOf(token) ?? `user/${escaped(host)}`}/${nonce}`, derived: prefix === undefined };
}

const POD_CLAIM = 'authentication.kubernetes.io/pod-';

/** A derived id as the policy in deploy/holders wants it of this caller: its Pod, or its name and what the id was before. */
export function idOf({ username = '', extra = {} }: UserInfo, { id, nonce }: Pick<Identity, 'id' | 'nonce'>): string {
  const [name] = extra[`${POD_CLAIM}name`] ?? [];
  const [uid] = extra[`${POD_CLAIM}uid`] ?? [];
  if (name !== undefined && uid !== undefined) return `pod/${username.split(':')[2]}/${name}/${uid}/${nonce}`;
  return `user/${escaped(username)}/${id.replace(/^user\//, '')}`;
}

/** The same for everyone who knows the id: for a lock that one process takes and another releases. Two at the same time would both have it. */
export function sharedIdentity(id: string): Identity {
  return { id, nonce: nonceOf(createHash('sha256').update(id).digest().subarray(0, 8)) };
}

/** Lower-case letters and digits, since it is part of an annotation's name. */
function nonceOf(bytes: Buffer): string {
  return BigInt(`0x${bytes.toString('hex')}`)
    .toString(36)
    .padStart(10, '0')
    .slice(-10);
}

/** `pod/<namespace>/<name>/<uid>` of the Pod that a bearer token names; undefined for the token of somebody else. */
export function podOf(token: string | undefined): string | undefined {
  const { namespace, pod } = claimsOf<PodClaims>(token)?.['kubernetes.io'] ?? {};
  return namespace && pod?.name && pod.uid ? `pod/${namespace}/${pod.name}/${pod.uid}` : undefined;
}

interface PodClaims {
  'kubernetes.io'?: { namespace?: string; pod?: { name?: string; uid?: string } };
}

/**
 * So that no id is a prefix of another (gha:acme, gha:acme/api), and every id appears unchanged inside JSON, which the policy in deploy/holders
 * compares as text. Just these characters: that policy escapes the same, and has no function for all of them.
 */
export function escaped(text: string): string {
  return text.replace(/[%/ "\\\t\n\r]/g, (character) => encodeURIComponent(character));
}
