/**
 * Who a participant is, as written into the Lease. An id says it to people, and an admission policy can hold it against the caller: in a
 * Pod it is made of the name and uid that the Pod's own token claims. The nonce makes it unique for each run.
 */
import { createHash, randomBytes } from 'node:crypto';

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

/** What the policy in deploy/holders says of an id that is none of the caller's. */
export const NOT_YOURS = 'is not yours: it must be';

/** Who the API server takes a caller for: what a SelfSubjectReview answers. */
export interface UserInfo {
  username?: string;
  extra?: Record<string, string[]>;
}

const POD_CLAIM = 'authentication.kubernetes.io/pod-';

/** A derived id as that policy wants it of this caller: his Pod, or his name and what the id said before. */
export function idOf({ username = '', extra = {} }: UserInfo, { id, nonce }: Pick<Identity, 'id' | 'nonce'>): string {
  const [name] = extra[`${POD_CLAIM}name`] ?? [];
  const [uid] = extra[`${POD_CLAIM}uid`] ?? [];
  if (name !== undefined && uid !== undefined) return `pod/${username.split(':')[2]}/${name}/${uid}/${nonce}`;
  return `user/${escaped(username)}/${id.replace(/^user\//, '')}`;
}

/** The same for whoever knows the id: for a lock that one process takes and another gives back. Both at once would both have it. */
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

export function podOf(token: string | undefined): string | undefined {
  const payload = token?.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as PodClaims;
    const { namespace, pod } = claims['kubernetes.io'] ?? {};
    return namespace && pod?.name && pod.uid ? `pod/${namespace}/${pod.name}/${pod.uid}` : undefined;
  } catch {
    return undefined; // Not every token is a JWT.
  }
}

interface PodClaims {
  'kubernetes.io'?: { namespace?: string; pod?: { name?: string; uid?: string } };
}

/**
 * Without it the id of `gha:acme` would be the beginning of that of `gha:acme/api`, and one with a quote would not begin in JSON as it is. Just
 * these characters: the policy in deploy/holders writes the same, and has no function for all of them.
 */
export function escaped(text: string): string {
  return text.replace(/[%/ "\\\t\n\r]/g, (character) => encodeURIComponent(character));
}
