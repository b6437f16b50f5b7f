/** Names of locks, namespaces and holders: which are valid, and how a Lease is named to people. */

const LEASE_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** Printable, no spaces: ids are listed in the environment, separated by them. */
const HOLDER = /^[!-~]{1,200}$/;

/** A sentence if the name is invalid. */
export function problemOfName(name: string): string | undefined {
  if (LEASE_NAME.test(name) && name.length <= 253) return undefined;
  return `invalid name "${name}" for a Lease: use lower-case letters, digits, "-" and ".", at most 253 characters`;
}

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

/** What every Lease is called in messages. */
export const describeLease = ({ namespace, name }: { namespace?: string | undefined; name: string }): string =>
  `Lease ${namespace ? `${namespace}/` : ''}${name}`;
