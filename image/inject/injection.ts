/**
 * What makes a Pod a guarded one, as additions to its manifest. The policy deploy/inject/mutating.yaml makes the same out of the same Pod;
 * test/image/inject holds the two against each other.
 */
import { DEFAULT_IMAGE, LIMITS, PREFIX, REQUESTS, RESOURCES } from './annotations.ts';
import { ASKS, CHECK, type GuardedPod, holdArguments, INSTALL, MOUNT, runCommand, SIDECAR, VOLUME } from './guarded-pod.ts';

/** Values to put at the front or the end of the list at `path`, or one to set there. What is missing on the way is made. */
export type Addition =
  | { kind: 'first' | 'last'; path: readonly (string | number)[]; values: readonly unknown[] }
  | { kind: 'set'; path: readonly (string | number)[]; value: unknown };

/** For a Pod without any of the problems in problems.ts, and not injected yet. */
export function injection(pod: GuardedPod, image = pod.asked.get('image') ?? DEFAULT_IMAGE): Addition[] {
  return [
    { kind: 'set', path: ['metadata', 'annotations', `${PREFIX}injected`], value: pod.mode },
    { kind: 'last', path: ['spec', 'volumes'], values: [{ name: VOLUME, emptyDir: {} }] },
    ...(pod.mode === 'wrap' ? wrapped(pod, image) : besideSidecar(pod, image)),
  ];
}

function wrapped(pod: GuardedPod, image: string): Addition[] {
  const container = ['spec', 'containers', 0];
  const install = {
    name: INSTALL,
    image,
    args: ['install', '/volume'],
    ...runsAs(pod),
    volumeMounts: [{ name: VOLUME, mountPath: '/volume' }],
  };
  return [
    { kind: 'first', path: ['spec', 'initContainers'], values: [install] },
    { kind: 'first', path: [...container, 'command'], values: runCommand(pod) },
    { kind: 'last', path: [...container, 'volumeMounts'], values: [{ name: VOLUME, mountPath: MOUNT, readOnly: true }] },
  ];
}

function besideSidecar(pod: GuardedPod, image: string): Addition[] {
  const sidecar = {
    name: SIDECAR,
    image,
    args: holdArguments(pod),
    restartPolicy: 'Always',
    // The containers after it start once it succeeds: never give up, however long the queue is. This is the largest number there is for it.
    startupProbe: { ...ASKS, failureThreshold: 2_147_483_647 },
    ...runsAs(pod),
    volumeMounts: [{ name: VOLUME, mountPath: '/run/lease-lock' }],
  };
  // The lock may be lost while they run, and nothing stops an init container: then what follows them must not start.
  const check = pod.ownInit.length > 0 ? [{ name: CHECK, image, args: ['probe'], ...runsAs(pod) }] : [];
  return [
    { kind: 'first', path: ['spec', 'initContainers'], values: [sidecar] },
    { kind: 'last', path: ['spec', 'initContainers'], values: check },
    ...pod.spec.containers.map((_, i): Addition => {
      return { kind: 'set', path: ['spec', 'containers', i, 'livenessProbe'], value: ASKS };
    }),
  ];
}

/** As namespaces with Pod Security "restricted" want it. */
const RUNS_AS = {
  terminationMessagePolicy: 'FallbackToLogsOnError',
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: 65532,
    runAsGroup: 65532,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
};

/** What quotas and ranges of a namespace ask for differs, so that each can be said. */
function runsAs({ asked }: GuardedPod) {
  const amounts = (of: string, defaults: Record<string, string>) =>
    Object.fromEntries(
      RESOURCES.flatMap((resource) => {
        const amount = asked.get(`${resource}-${of}`) ?? defaults[resource];
        return amount === undefined ? [] : [[resource, amount]];
      }),
    );
  return { resources: { requests: amounts('request', REQUESTS), limits: amounts('limit', LIMITS) }, ...RUNS_AS };
}
