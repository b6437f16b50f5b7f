/**
 * The annotations by which a Pod asks to be guarded: the one list of them. deploy/inject says the same to the API server, and docs/inject.md to people;
 * tests hold all three together.
 */
import { ON_BUSY } from '../../src/lock/index.ts';
import { DEFAULT_KILL_GRACE, DEFAULT_LEASE_DURATION } from '../../src/protocol/timings.ts';

export const PREFIX = 'lease-lock.nullplatform.com/';

export const DEFAULT_IMAGE = 'ghcr.io/nullplatform/k8s-lease-lock:v1';

export const RESOURCES = ['cpu', 'memory', 'ephemeral-storage'] as const;
type Resource = (typeof RESOURCES)[number];
/** Of each container that is added. */
export const REQUESTS: Readonly<Partial<Record<Resource, string>>> = { cpu: '10m', memory: '64Mi' };
export const LIMITS: Readonly<Partial<Record<Resource, string>>> = { memory: '128Mi' };
const defaultOf = (of: typeof REQUESTS, resource: Resource): { default?: string } =>
  of[resource] === undefined ? {} : { default: of[resource] };

interface Annotation {
  name: string;
  value: string;
  default?: string;
  meaning: string;
}

export const ANNOTATIONS: readonly Annotation[] = [
  {
    name: 'name',
    value: 'NAME',
    meaning: 'name of the lock, or of several with commas; with it, the Pod is guarded',
  },
  { name: 'slug', value: 'true|false', default: 'false', meaning: 'make a valid name of any `name`' },
  { name: 'namespace', value: 'NAMESPACE', default: "the Pod's", meaning: 'namespace of the lock' },
  { name: 'mode', value: 'wrap|sidecar', default: 'wrap where it can be', meaning: 'how it is guarded' },
  { name: 'timeout', value: 'DURATION', default: 'no limit', meaning: 'how long to wait for the lock (wrap only)' },
  { name: 'on-busy', value: ON_BUSY.join('|'), default: 'wait', meaning: 'what to do where the lock is not free (wrap only)' },
  { name: 'supersede', value: 'GROUP', default: 'none', meaning: 'older waiters of this group give up (wrap only)' },
  { name: 'min-hold', value: 'DURATION', default: '0', meaning: 'how long the lock stays taken at least' },
  { name: 'once', value: 'KEY', default: 'none', meaning: 'skip the command if it has succeeded with this key (wrap only)' },
  { name: 'shared', value: 'true|false', default: 'false', meaning: 'hold the lock beside others that share it' },
  { name: 'permits', value: 'NUMBER', default: "the lock's", meaning: 'share the lock with so many in all' },
  { name: 'weight', value: 'NUMBER', default: '1', meaning: 'share the lock, and take so many of its permits' },
  {
    name: 'no-replace',
    value: 'true|false',
    default: 'false',
    meaning: 'as holder, finish first, even if a newcomer wants to replace it',
  },
  { name: 'priority', value: 'NUMBER', default: '0', meaning: 'place in the queue: higher is served first' },
  {
    name: 'age-step',
    value: 'DURATION',
    default: '0',
    meaning: 'for each of these that it has waited, its priority grows by one',
  },
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
  ...RESOURCES.flatMap((resource) => [
    {
      name: `${resource}-request`,
      value: 'AMOUNT',
      ...defaultOf(REQUESTS, resource),
      meaning: `request of ${resource} of each container that is added`,
    },
    { name: `${resource}-limit`, value: 'AMOUNT', ...defaultOf(LIMITS, resource), meaning: `limit of ${resource}, likewise` },
  ]),
  { name: 'injected', value: 'wrap|sidecar', meaning: 'written by the injection alone: how the Pod is guarded' },
];

/** Those that become options of `run`, in their order; a sidecar only makes the containers wait, so `hold` has fewer. */
export const RUN_OPTIONS = [
  ...(['timeout', 'on-busy', 'supersede', 'min-hold', 'once', 'shared', 'permits', 'weight', 'no-replace', 'priority'] as const),
  ...(['age-step', 'lease-duration', 'kill-grace', 'reason'] as const),
] as const;
export const HOLD_OPTIONS = [
  'min-hold',
  'shared',
  'permits',
  'weight',
  'no-replace',
  'priority',
  'age-step',
  'lease-duration',
  'reason',
] as const;
