/**
 * The annotations by which a Pod asks to be guarded: the one list of them. deploy/inject says the same to the API server, and docs/inject.md to people;
 * tests hold all three together.
 */
import { ON_BUSY } from '../../src/lock/index.ts';
import { DEFAULT_KILL_GRACE, DEFAULT_LEASE_DURATION } from '../../src/protocol/timings.ts';

export const PREFIX = 'lease-lock.nullplatform.com/';

export const DEFAULT_IMAGE = 'ghcr.io/nullplatform/k8s-lease-lock:v1';

interface Annotation {
  name: string;
  value: string;
  default?: string;
  meaning: string;
}

export const ANNOTATIONS: readonly Annotation[] = [
  { name: 'name', value: 'NAME', meaning: 'name of the lock; with it, the Pod is guarded' },
  { name: 'slug', value: 'true|false', default: 'false', meaning: 'make a valid name of any `name`' },
  { name: 'namespace', value: 'NAMESPACE', default: "the Pod's", meaning: 'namespace of the lock' },
  { name: 'mode', value: 'wrap|sidecar', default: 'wrap where it can be', meaning: 'how it is guarded' },
  { name: 'timeout', value: 'DURATION', default: 'no limit', meaning: 'how long to wait for the lock (wrap only)' },
  { name: 'on-busy', value: ON_BUSY.join('|'), default: 'wait', meaning: 'what to do where the lock is not free (wrap only)' },
  { name: 'priority', value: 'NUMBER', default: '0', meaning: 'place in the queue: higher is served first' },
  {
    name: 'lease-duration',
    value: 'DURATION',
    default: `${DEFAULT_LEASE_DURATION}; of a sidecar, what its Pod needs`,
    meaning: 'how long the lock outlives a guard that has died',
  },
  {
    name: 'kill-grace',
    value: 'DURATION',
    default: DEFAULT_KILL_GRACE,
    meaning: 'between SIGTERM and SIGKILL of the command (wrap only)',
  },
  { name: 'reason', value: 'TEXT', meaning: 'reason shown to waiters' },
  { name: 'image', value: 'IMAGE', default: DEFAULT_IMAGE, meaning: 'image of the guard' },
  { name: 'injected', value: 'wrap|sidecar', meaning: 'written by the injection alone: how the Pod is guarded' },
];

/** Those that become options of `run`, in their order; a sidecar only makes the containers wait, so `hold` has fewer. */
export const RUN_OPTIONS = ['timeout', 'on-busy', 'priority', 'lease-duration', 'kill-grace', 'reason'] as const;
export const HOLD_OPTIONS = ['priority', 'lease-duration', 'reason'] as const;
