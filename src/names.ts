/** Names of locks, namespaces and holders: which are valid, and how a Lease is named to people. */
import { createHash } from 'node:crypto';

const LEASE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** Printable, no spaces: ids are listed in the environment, separated by them. */
const HOLDER = /^[!-~]{1,200}$/;
/** What participants tell each other by: compared as it is, and listed in every error. */
const MARK = /^[!-~]{1,128}$/;

const NAME_LIMIT = 253;
/** Of a slug, so that two texts have the same with a chance of one in 2^40. */
const DIGEST = 10;

/** A sentence if the name is invalid. */
export function problemOfName(name: string): string | undefined {
  if (LEASE_NAME.test(name) && name.length <= NAME_LIMIT) return undefined;
  const nearest = readable(name, NAME_LIMIT);
  return (
    `invalid name "${name}" for a Lease: use lower-case letters, digits, "-" and "." between them, at most ${NAME_LIMIT} characters` +
    (nearest === '' ? '' : `, such as "${nearest}"`)
  );
}

/** One lock of several; undefined: in the namespace that all others are in. */
export interface LockName {
  namespace: string | undefined;
  name: string;
}

/** `a,ns/b`: each as NAME or NAMESPACE/NAME. They may be invalid; none is empty. */
export function lockNamesIn(text: string): LockName[] {
  const names = text.split(',').map((name) => name.trim());
  return names.filter(Boolean).map((name) => {
    const slash = name.indexOf('/');
    return { namespace: slash < 0 ? undefined : name.slice(0, slash), name: name.slice(slash + 1) };
  });
}

/** A sentence if the name, or its namespace, is invalid. */
export const problemOfLock = ({ namespace, name }: LockName): string | undefined =>
  (namespace === undefined ? undefined : problemOfNamespace(namespace)) ?? problemOfName(name);

/**
 * A valid name for any text, and never one name for two: a text that is valid stays as it is; of any other its readable part remains, with a digest of the
 * whole. A valid name that looks like that gets a digest, too.
 */
export function slug(text: string): string {
  if (problemOfName(text) === undefined && !new RegExp(`(?:^|-)[0-9a-f]{${DIGEST}}$`).test(text)) return text;
  return withDigest(text, text);
}

/** The readable part of a text, and a digest of what it stands for. */
export function withDigest(text: string, of: string): string {
  const digest = createHash('sha256').update(of).digest('hex').slice(0, DIGEST);
  return [readable(text, NAME_LIMIT - DIGEST - 1), digest].filter(Boolean).join('-');
}

/** What is left of a text that a name can have. */
const readable = (text: string, limit: number): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/[-.]*\.[-.]*/g, '.')
    .replace(/^[-.]+/, '')
    .slice(0, limit)
    .replace(/[-.]+$/, '');

/** A sentence if the namespace is invalid. */
export function problemOfNamespace(namespace: string): string | undefined {
  if (NAMESPACE.test(namespace) && namespace.length <= 63) return undefined;
  return `invalid namespace "${namespace}": use lower-case letters, digits and "-", at most 63 characters`;
}

/** A sentence if the holder is invalid. */
export function problemOfHolder(holder: string): string | undefined {
  if (HOLDER.test(holder)) return undefined;
  return `invalid holder "${holder}": use printable characters without spaces, at most 200`;
}

/** A sentence if the group, or the key, is invalid. */
export function problemOfMark(mark: string, what: 'group' | 'key'): string | undefined {
  if (MARK.test(mark)) return undefined;
  return `invalid ${what} "${mark}": use printable characters without spaces, at most 128`;
}

/** What every Lease is called in messages. */
export const describeLease = ({ namespace, name }: { namespace?: string | undefined; name: string }): string =>
  `Lease ${namespace ? `${namespace}/` : ''}${name}`;

/** Those that are held together, as `Leases locks/a, ci/b`. */
export const describeLeases = (locks: readonly Parameters<typeof describeLease>[0][]): string =>
  locks
    .map((lock, i) => (i > 0 ? describeLease(lock).replace('Lease ', '') : describeLease(lock)))
    .join(', ')
    .replace(/^Lease(?=.*, )/, 'Leases');
