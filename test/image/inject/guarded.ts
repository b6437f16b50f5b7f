/** Pods that are guarded, and how; and what may happen to them afterwards. */
import { type Case, container, image, main, P, type Pod, podOf } from './pods.ts';

export const GUARDED: readonly (Case & { mode: 'wrap' | 'sidecar' })[] = [
  { title: 'a command', mode: 'wrap', annotations: {}, spec: {} },
  {
    title: 'a command with arguments',
    mode: 'wrap',
    annotations: {},
    spec: { containers: [container({ command: ['sh', '-c'], args: ['true "$0"', ''] })] },
  },
  {
    title: 'every option of a wrapped command',
    mode: 'wrap',
    annotations: {
      namespace: 'locks',
      timeout: '1h30m',
      'on-busy': 'replace',
      supersede: 'web',
      'min-hold': '30s',
      'age-step': '5m',
      once: 'v1.2+$(X)',
      'no-replace': 'true',
      priority: '-3',
      'lease-duration': '2m',
      'kill-grace': '20s',
      reason: 'release 1.2, "the big one"',
      image: 'registry.example.com/k8s-lease-lock@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    },
    spec: { restartPolicy: 'OnFailure' },
  },
  {
    title: 'several locks',
    mode: 'wrap',
    annotations: { name: 'database, locks/cache,x.y', namespace: 'team' },
    spec: {},
  },
  {
    title: 'one of those that share a lock',
    mode: 'wrap',
    annotations: { shared: 'true', permits: '3', weight: '2' },
    spec: {},
  },
  {
    title: 'a slug, and what the kubelet would expand',
    mode: 'wrap',
    annotations: { name: 'Nightly Größe $(X)', slug: 'true', reason: '$(HOME) costs 5$, or $$6' },
    spec: {},
  },
  {
    title: 'resources of its own',
    mode: 'wrap',
    annotations: { 'cpu-limit': '100m', 'memory-limit': '96Mi', 'ephemeral-storage-request': '10Mi', 'cpu-request': '20m' },
    spec: {},
  },
  {
    title: 'the same with a sidecar',
    mode: 'sidecar',
    annotations: { name: 'Nightly $(X)', slug: 'true', reason: '$(HOME) $$', 'ephemeral-storage-limit': '20Mi' },
    spec: { containers: [main] },
  },
  {
    title: 'volumes and mounts of its own',
    mode: 'wrap',
    annotations: { timeout: '0' },
    spec: {
      containers: [
        container({ volumeMounts: [{ name: 'data', mountPath: '/data' }], livenessProbe: { tcpSocket: { port: 80 } } }),
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
      hostNetwork: true,
    },
  },
  { title: 'a service that is restarted', mode: 'wrap', annotations: {}, spec: { restartPolicy: 'Always' } },
  {
    title: 'init containers before the lock as asked',
    mode: 'wrap',
    annotations: { mode: 'wrap' },
    spec: { initContainers: [{ name: 'before', image }] },
  },
  {
    title: 'a token mounted by hand',
    mode: 'wrap',
    annotations: {},
    spec: {
      automountServiceAccountToken: false,
      containers: [container({ volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] })],
      volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
    },
  },
  { title: 'no command', mode: 'sidecar', annotations: {}, spec: { containers: [main] } },
  {
    title: 'arguments without a command',
    mode: 'sidecar',
    annotations: {},
    spec: { containers: [{ ...main, args: ['--all'] }] },
  },
  {
    title: 'several containers, several locks',
    mode: 'sidecar',
    annotations: {
      name: 'nightly,data',
      namespace: 'locks',
      'min-hold': '30s',
      'age-step': '5m',
      'no-replace': 'true',
      priority: '7',
      'lease-duration': '90s',
      reason: 'nightly',
    },
    spec: {
      containers: [
        container(),
        { name: 'two', image, volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        { name: 'three', image },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
      terminationGracePeriodSeconds: 7,
    },
  },
  {
    title: 'init containers under the lock',
    mode: 'sidecar',
    annotations: { image: 'registry.example.com/k8s-lease-lock:v1' },
    spec: {
      initContainers: [
        { name: 'fetch', image },
        { name: 'log', image, restartPolicy: 'Always' },
      ],
    },
  },
  {
    title: 'a sidecar as asked',
    mode: 'sidecar',
    annotations: { mode: 'sidecar' },
    spec: { terminationGracePeriodSeconds: 3600 },
  },
];

const annotated = (name: string, value: string) => (pod: Pod) => {
  pod.metadata.annotations = { ...pod.metadata.annotations, [P + name]: value };
};
const initContainersOf = ({ spec }: Pod) => spec.initContainers as { name: string; args: string[] }[];

/** What people, or other policies, do to a Pod after the injection, so that it is no longer what its annotations ask for. */
export const SPOILED: readonly { title: string; of: string; change(injected: Pod): unknown }[] = [
  ...['a command', 'no command'].flatMap((of) => [
    { title: `another name: ${of}`, of, change: annotated('name', 'hourly') },
    { title: `another option: ${of}`, of, change: annotated('priority', '1') },
    { title: `another mode: ${of}`, of, change: annotated('mode', of === 'no command' ? 'wrap' : 'sidecar') },
    { title: `nothing first: ${of}`, of, change: (pod: Pod) => initContainersOf(pod).shift() },
  ]),
  {
    title: 'a longer grace',
    of: 'no command',
    change: ({ spec }) => {
      spec.terminationGracePeriodSeconds = 600;
    },
  },
  {
    title: 'one container more',
    of: 'no command',
    change: ({ spec }) => Object.assign(spec, { containers: [...spec.containers, { name: 'late', image }] }),
  },
  {
    title: 'a sidecar that ends',
    of: 'no command',
    change: (pod) => {
      for (const container of initContainersOf(pod))
        Object.assign(container, { restartPolicy: undefined, startupProbe: undefined });
    },
  },
  { title: 'no look at the lock', of: 'init containers under the lock', change: (pod) => initContainersOf(pod).pop() },
];

export const SPOILED_SENTENCE =
  /annotation lease-lock\.nullplatform\.com\/injected is "(wrap|sidecar)", and the Pod is not what its annotations ask for: inject the original again \(\S+\/inject\.md#files\)$/;

export function spoiled({ title, of, change }: (typeof SPOILED)[0], injected: (pod: Pod) => Pod): Pod {
  const [guarded] = GUARDED.filter((one) => one.title === of);
  if (!guarded) throw new Error(`${title}: there is no Pod "${of}"`);
  const pod = injected(podOf(guarded));
  change(pod);
  return pod;
}
