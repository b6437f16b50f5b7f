/**
 * What a command learns of the lock that it runs under, and what a guard inside of it makes of that: waiting for a lock that one's own
 * ancestor holds would never end. The names don't have the prefix of the options, so that an inner guard does not take them for its own.
 */
import type { HeldLock } from '../lock/index.ts';
import type { Holder } from '../protocol/lock-state.ts';
import type { Me } from '../protocol/me.ts';

/** Every holder around this process, outermost first, separated by spaces: ids contain none. */
export const ANCESTORS = 'LEASE_LOCK_ANCESTORS';

export function variablesFor(lock: HeldLock, me: Me, env: NodeJS.ProcessEnv): Record<string, string> {
  return {
    LEASE_LOCK_NAME: me.name,
    LEASE_LOCK_NAMESPACE: me.namespace,
    LEASE_LOCK_HOLDER: lock.holder,
    LEASE_LOCK_TOKEN: lock.token,
    LEASE_LOCK_TRANSITIONS: String(lock.transitions),
    [ANCESTORS]: [env[ANCESTORS], lock.holder].filter(Boolean).join(' '),
  };
}

export interface Nesting {
  /** Aborts, with a sentence as its reason, once a holder is found to be an ancestor. */
  readonly found: AbortSignal;
  check(holders: readonly Holder[]): void;
}

export function deadlockWith(env: NodeJS.ProcessEnv): Nesting {
  const ancestors = (env[ANCESTORS] ?? '').split(' ').filter(Boolean);
  const found = new AbortController();
  return {
    found: found.signal,
    check(holders) {
      const ancestor = holders.find(({ id }) => ancestors.includes(id));
      if (ancestor) {
        found.abort(
          `this command already runs under the lock (as ${ancestor.id}) and would wait for itself: remove the inner guard, or use another lock`,
        );
      }
    },
  };
}
