/** Pods that are refused, and the sentence that says why. */
import { documentAt } from '../../../src/documents.ts';
import { type Case, commanded, container, type Fields, image, main, NOT_THERE, P } from './pods.ts';

const annotations = `(${documentAt('inject.md#annotations')})`;
const permits = `(${documentAt('policies.md#permits')})`;
const modes = `(${documentAt('inject.md#modes')})`;
const orWrap = `or let the command be wrapped ${modes}`;
const a = (name: string) => `annotation ${P}${name}`;
const noDuration = `which is no duration: write it as 90s, 15m or 1h30m, at most 8760h ${annotations}`;

function refusal(title: string, annotations: Record<string, string>, spec: Fields, sentence: string) {
  return { title, annotations, spec, sentence };
}

const besideSidecar = (more: Fields): Fields => ({ containers: [main, { name: 'two', image, ...more }] });

const NOT_LINUX = `the Pod is not for Linux nodes, and the guard runs on no others: remove the annotations (${documentAt('inject.md#requirements')})`;

export const REFUSED: readonly (Case & { sentence: string })[] = [
  refusal('unknown', { timeuot: '5m' }, {}, `${a('timeuot')} is unknown: correct its name, or remove it ${annotations}`),
  refusal(
    'empty',
    { reason: ' ' },
    {},
    `${a('reason')} is empty or has a line break: write one line, or remove it ${annotations}`,
  ),
  refusal(
    'two lines',
    { image: 'a\nb' },
    {},
    `${a('image')} is empty or has a line break: write one line, or remove it ${annotations}`,
  ),
  refusal(
    'no name',
    { name: NOT_THERE, timeout: '5m' },
    {},
    `${a('name')} is missing: write the name of the lock ${annotations}`,
  ),
  ...['Nightly', '-x', 'a/b/c', 'A/b', `${'n'.repeat(64)}/b`, 'a,B', ',', 'a..b', 'a.-b', 'x'.repeat(254)].map((name, i) =>
    refusal(
      `name ${i}`,
      { name },
      {},
      `${a('name')} is "${name}", which is no name for a lock: use lower-case letters, digits, "-" and "." between them, at most 253, or write slug "true" ${annotations}`,
    ),
  ),
  ...['a.b', 'x'.repeat(64)].map((namespace, i) =>
    refusal(
      `namespace ${i}`,
      { namespace },
      {},
      `${a('namespace')} is "${namespace}", which is no namespace: use lower-case letters, digits and "-", at most 63 of them ${annotations}`,
    ),
  ),
  refusal('windows', {}, { nodeSelector: { 'kubernetes.io/os': 'windows' } }, NOT_LINUX),
  refusal('windows by os', {}, { os: { name: 'windows' } }, NOT_LINUX),
  ...['much', '1e3', '-1', '10 Mi'].map((amount, i) =>
    refusal(
      `amount ${i}`,
      { 'memory-limit': amount },
      {},
      `${a('memory-limit')} is "${amount}", which is no amount: write it as 50m, 64Mi or 1 ${annotations}`,
    ),
  ),
  refusal('slug', { slug: 'yes' }, {}, `${a('slug')} is "yes": write true or false ${annotations}`),
  refusal('mode', { mode: 'both' }, {}, `${a('mode')} is "both": write wrap or sidecar ${annotations}`),
  refusal(
    'injected by hand',
    { injected: 'yes' },
    {},
    `${a('injected')} is "yes": remove it, the injection alone writes it ${annotations}`,
  ),
  refusal('on-busy', { 'on-busy': 'Skip' }, {}, `${a('on-busy')} is "Skip": write wait, fail, skip or replace ${annotations}`),
  refusal('no-replace', { 'no-replace': 'yes' }, {}, `${a('no-replace')} is "yes": write true or false ${annotations}`),
  ...Object.entries({ supersede: 'two words', once: 'x'.repeat(129) }).map(([name, value]) =>
    refusal(
      name,
      { [name]: value },
      {},
      `${a(name)} is "${value}": use printable characters without spaces, at most 128 ${annotations}`,
    ),
  ),
  refusal('age-step', { 'age-step': '5' }, {}, `${a('age-step')} is "5", ${noDuration}`),
  refusal('min-hold', { 'min-hold': '30' }, {}, `${a('min-hold')} is "30", ${noDuration}`),
  ...['5', '5 m', '30m1h', '1m1m', '-5s', '5d', '8761h', '99999999999999999999h', '.5h'].map((timeout, i) =>
    refusal(`timeout ${i}`, { timeout }, {}, `${a('timeout')} is "${timeout}", ${noDuration}`),
  ),
  refusal('lease duration', { 'lease-duration': '60' }, {}, `${a('lease-duration')} is "60", ${noDuration}`),
  refusal('kill grace', { 'kill-grace': 'soon' }, {}, `${a('kill-grace')} is "soon", ${noDuration}`),
  refusal('shared perhaps', { shared: 'yes' }, {}, `${a('shared')} is "yes": write true or false ${annotations}`),
  ...['0', '101', '-1', '1.5', 'many'].map((number, i) =>
    refusal(
      `permits ${i}`,
      { permits: number },
      {},
      `${a('permits')} is "${number}": write a whole number from 1 to 100 ${annotations}`,
    ),
  ),
  refusal(
    'shared, and replaces',
    { 'on-busy': 'replace', permits: '2' },
    {},
    `${a('on-busy')} replace needs the lock alone: it cannot be combined with ${a('permits')} ${permits}`,
  ),
  refusal(
    'too heavy',
    { permits: '2', weight: '3' },
    {},
    `${a('weight')} 3 never fits into ${a('permits')} 2: use at most 2 ${permits}`,
  ),
  ...['1.5', '1000001', '-1000001', 'high', '99999999999', '+1'].map((priority, i) =>
    refusal(
      `priority ${i}`,
      { priority },
      {},
      `${a('priority')} is "${priority}": write a whole number from -1000000 to 1000000 ${annotations}`,
    ),
  ),
  refusal(
    'wrap without a command',
    { mode: 'wrap' },
    { containers: [main] },
    `${a('mode')} is "wrap", and container "main" has no command: write its command, or let it have a sidecar ${modes}`,
  ),
  refusal(
    'wrap of two containers',
    { mode: 'wrap' },
    { containers: [commanded, { ...commanded, name: 'two' }] },
    `${a('mode')} is "wrap", and the Pod has 2 containers: leave one, or let it have a sidecar ${modes}`,
  ),
  ...Object.entries({ timeout: '5m', 'on-busy': 'skip', supersede: 'web', once: 'x', 'kill-grace': '5s' }).map(([name, value]) =>
    refusal(
      `sidecar with ${name}`,
      { [name]: value },
      { containers: [main] },
      `${a(name)} is for a wrapped command, and this Pod gets a sidecar: remove it, ${orWrap}`,
    ),
  ),
  refusal(
    'sidecar and restarts',
    {},
    { containers: [main], restartPolicy: 'OnFailure' },
    `restartPolicy is OnFailure, and with a sidecar a restarted container would not wait for the lock: write Never, ${orWrap}`,
  ),
  refusal(
    'sidecar on the host network',
    {},
    { containers: [main], hostNetwork: true },
    `hostNetwork is true, and a sidecar needs a port that is the Pod's own: remove it, ${orWrap}`,
  ),
  refusal(
    'sidecar and hardly any grace',
    {},
    { containers: [main], terminationGracePeriodSeconds: 6 },
    `terminationGracePeriodSeconds is 6, and a sidecar has no time to give the lock back: write 7 or more, ${orWrap}`,
  ),
  refusal(
    'sidecar and a container with restarts',
    {},
    besideSidecar({ restartPolicy: 'Always' }),
    `container "two" has a restart policy of its own, and with a sidecar a restarted container would not wait for the lock: remove it, ${orWrap}`,
  ),
  refusal(
    'sidecar and restart rules',
    {},
    besideSidecar({
      restartPolicy: 'Never',
      restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
    }),
    `container "two" has a restart policy of its own, and with a sidecar a restarted container would not wait for the lock: remove it, ${orWrap}`,
  ),
  ...[
    { exec: { command: ['true'] } },
    { httpGet: { path: '/held', port: 8080 } },
    { httpGet: { path: '/healthz', port: 17474 } },
    { httpGet: { path: '/held', port: 17474 }, periodSeconds: 600, failureThreshold: 2 },
    { httpGet: { path: '/held', port: 17474 }, periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 600 },
  ].map((livenessProbe, i) =>
    refusal(
      `sidecar and a liveness probe ${i}`,
      {},
      besideSidecar({ livenessProbe }),
      `container "two" has a livenessProbe, and with a sidecar that is what stops it: remove it, ${orWrap}`,
    ),
  ),
  refusal(
    'sidecar and a startup probe',
    {},
    besideSidecar({ startupProbe: { exec: { command: ['true'] } } }),
    `container "two" has a startupProbe, and with a sidecar nothing would stop it before that succeeds: remove it, ${orWrap}`,
  ),
  refusal(
    'a hook that holds the kubelet up',
    {},
    besideSidecar({ lifecycle: { postStart: { exec: { command: ['sleep', '60'] } } } }),
    `container "two" has a postStart hook, and with a sidecar nothing would stop anything before that ends: remove it, ${orWrap}`,
  ),
  refusal(
    'a container of that name',
    {},
    { containers: [container({ name: 'lease-lock' })] },
    `a container is named "lease-lock", as one that the injection adds: rename it ${modes}`,
  ),
  refusal(
    'an init container of that name',
    {},
    { initContainers: [{ name: 'lease-lock-check', image }], containers: [main] },
    `a container is named "lease-lock-check", as one that the injection adds: rename it ${modes}`,
  ),
  refusal(
    'a volume of that name',
    {},
    { volumes: [{ name: 'lease-lock', emptyDir: {} }] },
    `a volume is named "lease-lock", as one that the injection adds: rename it ${modes}`,
  ),
  ...['/lease-lock', '/lease-lock/tmp'].map((mountPath, i) =>
    refusal(
      `a mount in its place ${i}`,
      {},
      { volumes: [{ name: 'data', emptyDir: {} }], containers: [container({ volumeMounts: [{ name: 'data', mountPath }] })] },
      `container "main" mounts a volume at /lease-lock, where the guard has to be: mount it elsewhere ${modes}`,
    ),
  ),
  ...['wrap', 'sidecar'].map((injected) =>
    refusal(
      `said to have ${injected}`,
      { injected },
      {},
      `${a('injected')} is "${injected}", and the Pod is not what its annotations ask for: inject the original again (${documentAt('inject.md#files')})`,
    ),
  ),
  ...[[commanded], [main]].map((containers, i) =>
    refusal(
      `no token ${i}`,
      {},
      { containers, automountServiceAccountToken: false },
      `the guard gets no token of a service account: set automountServiceAccountToken to true (${documentAt('inject.md#requirements')})`,
    ),
  ),
];
