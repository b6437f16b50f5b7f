/**
 * What a command learns of the lock that it runs under, and what a guard inside of it makes of that: waiting for a lock that one's own
 * ancestor holds would never end. The names don't have the prefix of the options, so that an inner guard does not take them for its own.
 */
import type { OneHeld } from '../lock/index.ts';
import type { Holder } from '../protocol/lock-state.ts';

/** Every holder around this process, outermost first, separated by spaces: ids contain none. */
export const ANCESTORS = 'LEASE_LOCK_ANCESTORS';

/** One word for each lock, in the order in which they were acquired. */
export function variablesFor(locks: readonly OneHeld[], env: NodeJS.ProcessEnv): Record<string, string> {
  const words = (of: (one: OneHeld) => string | number) => locks.map(of).join(' ');
  const holders = new Set(locks.map(({ lock }) => lock.holder));
  return {
    LEASE_LOCK_NAME: words(({ participant }) => participant.me.name),
    LEASE_LOCK_NAMESPACE: words(({ participant }) => participant.me.namespace),
    LEASE_LOCK_HOLDER: words(({ lock }) => lock.holder),
    LEASE_LOCK_TOKEN: words(({ lock }) => lock.token),
    LEASE_LOCK_TRANSITIONS: words(({ lock }) => lock.transitions),
    [ANCESTORS]: [env[ANCESTORS], ...holders].filter(Boolean).join(' '),
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
