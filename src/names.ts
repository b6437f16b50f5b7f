/** What may be the name of a lock, of a namespace, of a holder: undefined if it may, else the sentence that says why not. */

const LEASE_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** Printable, no spaces: ids are listed in the environment, separated by them. */
const HOLDER = /^[!-~]{1,200}$/;

export function problemOfName(name: string): string | undefined {
  if (LEASE_NAME.test(name) && name.length <= 253) return undefined;
  return `the name "${name}" is none for a Lease: use lower-case letters, digits, "-" and ".", at most 253 of them`;
}

export function problemOfNamespace(namespace: string): string | undefined {
  if (NAMESPACE.test(namespace) && namespace.length <= 63) return undefined;
  return `the namespace "${namespace}" is none: use lower-case letters, digits and "-", at most 63 of them`;
}

export function problemOfHolder(holder: string): string | undefined {
  return HOLDER.test(holder) ? undefined : `the holder "${holder}" is none: use printable characters without spaces, at most 200`;
}
