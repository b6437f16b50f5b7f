/** A Pod, or a template of Pods, as the injection looks at it: raw, or already injected; what its annotations ask for, and by which mode. */
import { STATUS_PORT } from '../pod/status-server.ts';
import { HOLD_OPTIONS, PREFIX, RUN_OPTIONS } from './annotations.ts';

export interface Container {
  name?: string;
  command?: readonly string[];
  args?: readonly string[];
  volumeMounts?: readonly { name?: string; mountPath?: string }[];
  livenessProbe?: Readonly<Record<string, unknown>>;
  lifecycle?: { postStart?: unknown };
  startupProbe?: unknown;
  readinessProbe?: unknown;
  resources?: { limits?: Readonly<Record<string, unknown>> };
  restartPolicy?: string;
  restartPolicyRules?: unknown;
}

export interface PodSpec {
  containers: readonly Container[];
  initContainers?: readonly Container[];
  volumes?: readonly { name?: string }[];
  restartPolicy?: string;
  hostNetwork?: boolean;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  os?: { name?: string };
  nodeSelector?: Readonly<Record<string, string>>;
}

export interface PodTemplate {
  metadata: { annotations: Readonly<Record<string, string>> };
  spec: PodSpec;
}

export const VOLUME = 'lease-lock';
export const MOUNT = '/lease-lock';
export const INSTALL = 'lease-lock-install';
export const SIDECAR = 'lease-lock';
export const CHECK = 'lease-lock-check';
export const OURS: readonly string[] = [INSTALL, SIDECAR, CHECK];

/** How the kubelet asks the sidecar: as docs/sidecar.md has it, since the sum of `hold` counts on it. */
export const ASKS = { httpGet: { path: '/held', port: STATUS_PORT }, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 2 };

export interface GuardedPod {
  spec: PodSpec;
  /** What the annotations of ours say, without their prefix. */
  asked: ReadonlyMap<string, string>;
  /** Init containers that the injection did not add. */
  ownInit: readonly Container[];
  /** What `injected` says: the mode it was injected with. */
  injected: string | undefined;
  /** No promise that it is possible, or one of the two. */
  mode: string;
}

/** Undefined if it has no annotation of ours. */
export function guardedPod({ metadata, spec }: PodTemplate): GuardedPod | undefined {
  const asked = new Map(
    Object.entries(metadata.annotations)
      .filter(([key]) => key.startsWith(PREFIX))
      .map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
  if (asked.size === 0) return undefined;
  const ownInit = (spec.initContainers ?? []).filter(({ name = '' }) => !OURS.includes(name));
  const injected = asked.get('injected');
  // Init containers would run outside of the lock that a wrapped command takes.
  const chosen = canBeWrapped(spec) && ownInit.length === 0 ? 'wrap' : 'sidecar';
  return { spec, asked, ownInit, injected, mode: injected ?? asked.get('mode') ?? chosen };
}

export function canBeWrapped({ containers }: PodSpec): boolean {
  return containers.length === 1 && (containers[0]?.command ?? []).length > 0;
}

/** What is put before the command of a wrapped container. */
export function runCommand(pod: GuardedPod): string[] {
  return [`${MOUNT}/k8s-lease-lock`, 'run', ...lock(pod), ...given(pod, RUN_OPTIONS), '--'];
}

export function holdArguments(pod: GuardedPod): string[] {
  const { spec } = pod;
  const stopping = [`--pod-grace=${graceSeconds(spec)}s`, `--containers=${spec.containers.length}`];
  return ['hold', ...lock(pod), ...stopping, ...given(pod, HOLD_OPTIONS)];
}

export const graceSeconds = ({ terminationGracePeriodSeconds = 30 }: PodSpec): number => terminationGracePeriodSeconds;

const lock = (pod: GuardedPod): string[] => given(pod, ['name', 'slug', 'namespace']);

function given({ asked }: GuardedPod, names: readonly string[]): string[] {
  // In a command, the kubelet takes $(NAME) for a variable, and $$ for $.
  const literally = (value: string) => value.replaceAll('$', '$$$$');
  return names.flatMap((name) => (asked.has(name) ? [`--${name}=${literally(asked.get(name) ?? '')}`] : []));
}
