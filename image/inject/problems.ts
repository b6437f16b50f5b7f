/**
 * Why a Pod can't be guarded as its annotations ask: the first reason, as a sentence. deploy/inject/validating.yaml refuses the same with the same
 * words in the same order; test/image/inject holds the two against each other.
 */
import { isDeepStrictEqual } from 'node:util';
import { documentAt } from '../../src/documents.ts';
import { parseDuration } from '../../src/durations.ts';
import { ON_BUSY } from '../../src/lock/index.ts';
import { lockNamesIn, problemOfLock, problemOfMark, problemOfNamespace } from '../../src/names.ts';
import { PERMITS_LIMIT, PRIORITY_LIMIT } from '../../src/protocol/lock-state.ts';
import { problemOfShare } from '../../src/protocol/policies.ts';
import { ANNOTATIONS, HOLD_OPTIONS, PREFIX, RESOURCES, RUN_OPTIONS } from './annotations.ts';
import {
  ASKS,
  CHECK,
  type Container,
  canBeWrapped,
  type GuardedPod,
  graceSeconds,
  holdArguments,
  INSTALL,
  MOUNT,
  OURS,
  runCommand,
  SIDECAR,
  VOLUME,
} from './guarded-pod.ts';

export function problemOfPod(pod: GuardedPod): string | undefined {
  return (
    problemOfAnnotations(pod) ?? (pod.mode === 'wrap' ? problemOfWrapping(pod) : problemOfSidecar(pod)) ?? problemOfPlace(pod)
  );
}

const annotation = (name: string): string => `annotation ${PREFIX}${name}`;

function problemOfAnnotations({ asked }: GuardedPod): string | undefined {
  const known = new Set(ANNOTATIONS.map(({ name }) => name));
  const wrong = (name: string, isRight: (value: string) => boolean, cause: string): string | undefined => {
    const value = asked.get(name);
    return value === undefined || isRight(value)
      ? undefined
      : `${annotation(name)} is "${value}"${cause} (${documentAt('inject.md#annotations')})`;
  };
  const oneOf = (name: string, choices: readonly string[], fix: string) => wrong(name, (value) => choices.includes(value), fix);

  const unknown = [...asked.keys()].find((name) => !known.has(name));
  if (unknown !== undefined)
    return `${annotation(unknown)} is unknown: correct its name, or remove it (${documentAt('inject.md#annotations')})`;
  const [blank] = [...asked].find(([, value]) => value.trim() === '' || value.includes('\n')) ?? [];
  if (blank !== undefined)
    return `${annotation(blank)} is empty or has a line break: write one line, or remove it (${documentAt('inject.md#annotations')})`;
  if (!asked.has('name'))
    return `${annotation('name')} is missing: write the name of the lock (${documentAt('inject.md#annotations')})`;
  return (
    oneOf('slug', ['true', 'false'], ': write true or false') ??
    wrong(
      'name',
      (names) => asked.get('slug') === 'true' || areNames(names),
      ', which is no name for a lock: use lower-case letters, digits, "-" and "." between them, at most 253, or write slug "true"',
    ) ??
    wrong(
      'namespace',
      (name) => problemOfNamespace(name) === undefined,
      ', which is no namespace: use lower-case letters, digits and "-", at most 63 of them',
    ) ??
    oneOf('mode', ['wrap', 'sidecar'], ': write wrap or sidecar') ??
    oneOf('injected', ['wrap', 'sidecar'], ': remove it, the injection alone writes it') ??
    oneOf('on-busy', ON_BUSY, ': write wait, fail, skip or replace') ??
    oneOf('no-replace', ['true', 'false'], ': write true or false') ??
    oneOf('shared', ['true', 'false'], ': write true or false') ??
    wrong('permits', isCount, NO_COUNT) ??
    wrong('weight', isCount, NO_COUNT) ??
    besideReplace(asked) ??
    wrong('supersede', isMark, NO_MARK) ??
    wrong('once', isMark, NO_MARK) ??
    ['timeout', 'lease-duration', 'kill-grace', 'min-hold', 'age-step']
      .map((name) => wrong(name, isDuration, NO_DURATION))
      .find((problem) => problem !== undefined) ??
    wrong('priority', isPriority, ': write a whole number from -1000000 to 1000000') ??
    RESOURCES.flatMap((resource) => [`${resource}-request`, `${resource}-limit`])
      .map((name) => wrong(name, isAmount, ', which is no amount: write it as 50m, 64Mi or 1'))
      .find((problem) => problem !== undefined)
  );
}

const areNames = (text: string): boolean =>
  lockNamesIn(text).length > 0 && lockNamesIn(text).every((name) => problemOfLock(name) === undefined);
const isAmount = (value: string): boolean => /^[0-9]+([.][0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$/.test(value);
const NO_DURATION = ', which is no duration: write it as 90s, 15m or 1h30m, at most 8760h';
const NO_MARK = ': use printable characters without spaces, at most 128';
const isMark = (value: string): boolean => problemOfMark(value, 'key') === undefined;
const isDuration = (value: string): boolean => parseDuration(value).kind === 'duration';
const isCount = (text: string): boolean => /^[0-9]{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= PERMITS_LIMIT;
const NO_COUNT = `: write a whole number from 1 to ${PERMITS_LIMIT}`;

/** As `run` refuses it, but before the Pod is there. */
function besideReplace(asked: ReadonlyMap<string, string>): string | undefined {
  const count = (name: string) => (asked.has(name) ? Number(asked.get(name)) : undefined);
  const wish = { shared: asked.get('shared') === 'true', permits: count('permits'), weight: count('weight') };
  const problem = problemOfShare(wish, asked.get('on-busy') === 'replace', annotation);
  return problem && `${problem} (${documentAt('policies.md#permits')})`;
}

const isPriority = (value: string): boolean => /^-?[0-9]{1,10}$/.test(value) && Math.abs(Number(value)) <= PRIORITY_LIMIT;

function problemOfWrapping({ spec }: GuardedPod): string | undefined {
  if (canBeWrapped(spec)) return undefined;
  const cause =
    spec.containers.length === 1
      ? `container "${spec.containers[0]?.name}" has no command: write its command`
      : `the Pod has ${spec.containers.length} containers: leave one`;
  return `${annotation('mode')} is "wrap", and ${cause}, or let it have a sidecar (${documentAt('inject.md#modes')})`;
}

function problemOfSidecar({ spec, asked }: GuardedPod): string | undefined {
  const first = (is: (container: Container) => boolean, cause: string): string | undefined => {
    const found = spec.containers.find(is);
    return found && `container "${found.name}" has ${cause}, ${OR_WRAP}`;
  };
  const holds: readonly string[] = HOLD_OPTIONS;
  const option = RUN_OPTIONS.find((name) => asked.has(name) && !holds.includes(name));
  if (option !== undefined)
    return `${annotation(option)} is for a wrapped command, and this Pod gets a sidecar: remove it, ${OR_WRAP}`;
  const { restartPolicy = 'Always', hostNetwork = false } = spec;
  if (restartPolicy !== 'Never')
    return `restartPolicy is ${restartPolicy}, and with a sidecar a restarted container would not wait for the lock: write Never, ${OR_WRAP}`;
  if (hostNetwork) return `hostNetwork is true, and a sidecar needs a port that is the Pod's own: remove it, ${OR_WRAP}`;
  const grace = graceSeconds(spec);
  if (grace < SHORTEST_GRACE)
    return `terminationGracePeriodSeconds is ${grace}, and a sidecar has no time to give the lock back: write ${SHORTEST_GRACE} or more, ${OR_WRAP}`;
  return (
    first(
      ({ restartPolicy = 'Never', restartPolicyRules }) => restartPolicy !== 'Never' || restartPolicyRules !== undefined,
      'a restart policy of its own, and with a sidecar a restarted container would not wait for the lock: remove it',
    ) ??
    first(
      ({ livenessProbe }) => livenessProbe !== undefined && !asksSidecar(livenessProbe),
      'a livenessProbe, and with a sidecar that is what stops it: remove it',
    ) ??
    first(
      ({ startupProbe }) => startupProbe !== undefined,
      'a startupProbe, and with a sidecar nothing would stop it before that succeeds: remove it',
    ) ??
    first(
      ({ lifecycle }) => lifecycle?.postStart !== undefined,
      'a postStart hook, and with a sidecar nothing would stop anything before that ends: remove it',
    )
  );
}

/** As `hold` refuses it, which would be found out when the Pod runs. */
const SHORTEST_GRACE = 7;
const OR_WRAP = `or let the command be wrapped (${documentAt('inject.md#modes')})`;

/** Just as it is injected, but for what the API server adds: any other timing is another fence than the one that `hold` counts on. */
function asksSidecar(probe: Container['livenessProbe'] = {}): boolean {
  const { httpGet, successThreshold = 1, ...rest } = probe as { httpGet?: Record<string, unknown>; successThreshold?: number };
  const { scheme = 'HTTP', ...where } = httpGet ?? {};
  return scheme === 'HTTP' && successThreshold === 1 && isDeepStrictEqual({ ...rest, httpGet: where }, ASKS);
}

const TOKEN_MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

function problemOfPlace(pod: GuardedPod): string | undefined {
  const { spec, injected, mode } = pod;
  const { containers, initContainers = [], volumes = [] } = spec;
  const raw = injected === undefined;
  if ((spec.os?.name ?? spec.nodeSelector?.['kubernetes.io/os'] ?? 'linux') !== 'linux')
    return `the Pod is not for Linux nodes, and the guard runs on no others: remove the annotations (${documentAt('inject.md#requirements')})`;
  const taken = [...containers, ...initContainers].find(({ name = '' }) => OURS.includes(name));
  if (raw && taken)
    return `a container is named "${taken.name}", as one that the injection adds: rename it (${documentAt('inject.md#modes')})`;
  if (raw && volumes.some(({ name }) => name === VOLUME))
    return `a volume is named "${VOLUME}", as one that the injection adds: rename it (${documentAt('inject.md#modes')})`;
  const inTheWay = containers.find(({ volumeMounts = [] }) => volumeMounts.some(isInTheWay));
  if (inTheWay)
    return `container "${inTheWay.name}" mounts a volume at ${MOUNT}, where the guard has to be: mount it elsewhere (${documentAt('inject.md#modes')})`;
  if (!raw && !isAsAsked(pod))
    return `${annotation('injected')} is "${injected}", and the Pod is not what its annotations ask for: inject the original again (${documentAt('inject.md#files')})`;
  const mountsToken = mode === 'wrap' && (containers[0]?.volumeMounts ?? []).some(({ mountPath }) => mountPath === TOKEN_MOUNT);
  if (spec.automountServiceAccountToken === false && !mountsToken)
    return `the guard gets no token of a service account: set automountServiceAccountToken to true (${documentAt('inject.md#requirements')})`;
  return undefined;
}

function isInTheWay({ name, mountPath = '' }: { name?: string; mountPath?: string }): boolean {
  return name !== VOLUME && `${mountPath}/`.startsWith(`${MOUNT}/`);
}

/** Whether what was injected still fits the annotations: someone may have changed these since. */
function isAsAsked(pod: GuardedPod): boolean {
  const { containers, initContainers = [] } = pod.spec;
  const has = (name: string, args: readonly string[]): boolean =>
    initContainers.some((container) => container.name === name && same(container.args ?? [], args));
  const said = pod.asked.get('mode') ?? pod.mode;
  if (said !== pod.mode) return false;
  if (pod.mode === 'wrap') {
    const before = runCommand(pod);
    return has(INSTALL, ['install', '/volume']) && same((containers[0]?.command ?? []).slice(0, before.length), before);
  }
  return (
    has(SIDECAR, holdArguments(pod)) &&
    initContainers.some(
      ({ name, restartPolicy, startupProbe }) => name === SIDECAR && restartPolicy === 'Always' && startupProbe,
    ) &&
    containers.every(({ livenessProbe }) => asksSidecar(livenessProbe)) &&
    (pod.ownInit.length === 0 || has(CHECK, ['probe']))
  );
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, i) => text === b[i]);
