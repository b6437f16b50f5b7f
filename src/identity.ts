/**
 * Who a participant is, as written into the Lease. An id says it to people, and an admission policy can hold it against the caller: in a
 * Pod it is made of the name and uid that the Pod's own token claims. The nonce makes it unique for each run.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface Identity {
  id: string;
  nonce: string;
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
  return { nonce, id: `${prefix ?? podOf(token) ?? `user/${escaped(host)}`}/${nonce}` };
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

/** Without it the id of `gha:acme` would be the beginning of that of `gha:acme/api`. */
export function escaped(text: string): string {
  return text.replace(/[%/\s]/g, (character) => encodeURIComponent(character));
}
