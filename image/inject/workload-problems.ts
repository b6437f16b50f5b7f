/**
 * What can't work because of the object that a Pod's template stands in, or of the options that its guard would get: `inject` sees both, where the API server
 * sees one Pod after the other, and the guard itself would say it only when it runs.
 */
import { documentAt } from '../../src/documents.ts';
import { parseDuration } from '../../src/durations.ts';
import { describeTimings } from '../../src/lock/describe.ts';
import { DEFAULT_KILL_GRACE, DEFAULT_LEASE_DURATION, timings } from '../../src/protocol/timings.ts';
import { PREFIX } from './annotations.ts';
import { canBeWrapped, type GuardedPod } from './guarded-pod.ts';
import { type Fields, fieldsOf } from './templates.ts';

/** The object around a template. */
export interface Owner {
  kind: string;
  spec: Fields;
}

/** Kinds whose Pods are always restarted. */
const RESTARTING = ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController', 'Rollout'];

export function problemOfRestarts({ spec, mode }: GuardedPod, { kind }: Owner): string | undefined {
  if (mode !== 'sidecar' || !RESTARTING.includes(kind)) return undefined;
  const cause = canBeWrapped(spec)
    ? `write annotation ${PREFIX}mode: wrap`
    : 'leave it one container, and write its command, so that it can be wrapped';
  return `a ${kind} restarts its containers, and with a sidecar these would not wait for the lock: ${cause} (${documentAt('inject.md#modes')})`;
}

/** Native sidecars: on by default from here. Without them the kubelet would wait for the sidecar to end, for ever. */
const SIDECAR_MINOR = 29;

export function problemOfVersion({ mode }: GuardedPod, minor = SIDECAR_MINOR): string | undefined {
  if (mode !== 'sidecar' || minor >= SIDECAR_MINOR) return undefined;
  return (
    `a native sidecar needs Kubernetes 1.${SIDECAR_MINOR} or later, and this is for 1.${minor}: let the command be wrapped ` +
    `(${documentAt('inject.md#modes')})`
  );
}

/** A new Pod is ready when it has the lock, which the old one gives up when the new one is ready. */
export function problemOfRollout({ spec }: GuardedPod, { kind, spec: around }: Owner): string | undefined {
  if (kind !== 'Deployment') return undefined;
  const { type = 'RollingUpdate', rollingUpdate } = fieldsOf(around.strategy);
  const { maxUnavailable = '25%' } = fieldsOf(rollingUpdate);
  const replicas = Number(around.replicas ?? 1);
  const share = /^(\d+)%$/.exec(String(maxUnavailable))?.[1];
  const unavailable = share === undefined ? Number(maxUnavailable) : Math.floor((Number(share) * replicas) / 100);
  if (type !== 'RollingUpdate' || unavailable > 0 || !spec.containers.some(({ readinessProbe }) => readinessProbe !== undefined))
    return undefined;
  return (
    'a rolling update would never end: the new Pod is ready once it has the lock, which the old one keeps until then. Write strategy ' +
    `{type: Recreate} (${documentAt('inject.md#modes')})`
  );
}

export function problemOfDurations({ asked, mode }: GuardedPod): string | undefined {
  if (mode !== 'wrap') return undefined;
  const ms = (name: string, otherwise: string): number => {
    const parsed = parseDuration(asked.get(name) ?? otherwise);
    return parsed.kind === 'duration' ? parsed.ms : 0;
  };
  const grace = asked.get('kill-grace') ?? DEFAULT_KILL_GRACE;
  const result = timings(ms('lease-duration', DEFAULT_LEASE_DURATION), ms('kill-grace', DEFAULT_KILL_GRACE));
  if (result.kind === 'timings') return undefined;
  const names = {
    duration: 'lease-duration',
    grace: `a kill-grace of ${grace}`,
    shorterGrace: 'kill-grace',
    stopping: 'stopping the command',
  };
  return `annotation ${PREFIX}lease-duration: ${describeTimings(result, names)}`;
}

/** What the guard takes of the limits of the container that it is put into (docs/image.md): with less, it would end after it has the lock. */
const NEEDS = [
  { resource: 'memory', article: 'a', bytes: 32 * 2 ** 20, why: 'needs 32Mi of it beside what the command needs' },
  { resource: 'ephemeral-storage', article: 'an', bytes: 115e6, why: 'puts 115M there' },
];

export function problemOfLimits({ spec, mode }: GuardedPod): string | undefined {
  if (mode !== 'wrap') return undefined;
  for (const { resource, article, bytes, why } of NEEDS)
    for (const { name, resources } of spec.containers) {
      const limit = resources?.limits?.[resource];
      if (bytesOf(limit) < bytes)
        return `container "${name}" has ${article} ${resource} limit of ${limit}, and the guard ${why}: raise it (${documentAt('image.md#memory-and-disk')})`;
    }
  return undefined;
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** As Kubernetes writes amounts; not a number where it is none, which the API server will say. */
function bytesOf(amount: unknown): number {
  const [, number, unit = ''] = /^([0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)$/.exec(String(amount)) ?? [];
  return Number(number) * (UNITS[unit] ?? Number.NaN);
}

/** What may surprise, as the end of a sentence. */
export function remarkOn({ kind, spec }: Owner): string {
  const replicas = Number(spec.replicas ?? 1);
  if (kind === 'DaemonSet') return '; of its Pods, one runs, and the others wait for the lock';
  return replicas > 1 ? `; of its ${replicas} Pods, one runs, and the others wait for the lock` : '';
}
