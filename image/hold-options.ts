/** The command lines of those that hold a lock without a command of their own: `hold` for a Pod, `acquire` and `release` in two steps. */
import { formatDuration, shortest, type Timings, timings } from '../src/protocol/timings.ts';
import { type Env, type Reader, UsageError } from './command-line.ts';
import {
  ConfigurationError,
  HOLD_FOLDER,
  JOINING,
  type JoinSettings,
  joinSettings,
  type Line,
  PROBE_PORT,
  pick,
  readLine,
  settled,
  WAITING,
  type WaitSettings,
  waitSettings,
} from './options.ts';

export interface HoldSettings extends JoinSettings {
  dir: string;
  probePort: number;
}

/**
 * From a "no" to the first SIGTERM: three seconds until two probes have failed, a second apart and with a second for an answer, as docs/sidecar.md has
 * them; and two in which the kubelet's one worker for the Pod may be busy with it.
 */
const NOTICED_MS = 5000;
/** What the kubelet grants each container that has used its grace up, in a preStop hook. */
const LAST_MS = 2000;
const SHORTEST_MS = 60_000;

const HOLD_USAGE =
  'Usage: k8s-lease-lock hold --name NAME [options]\n\nHolds a lock for the other containers of its Pod, as a native sidecar (docs/sidecar.md).';
export const HOLD_OPTIONS = pick([...WAITING, 'pod-grace', 'containers', 'probe-port', 'dir'], {
  'lease-duration': '60s, or what --pod-grace needs',
});

export function readHoldCommandLine(argv: readonly string[], env: Env): Line<HoldSettings> {
  return readLine({ usage: HOLD_USAGE, options: HOLD_OPTIONS, operands: 'none' }, holdSettings, argv, env);
}

function holdSettings(read: Reader): HoldSettings {
  const joined = joinSettings(read);
  const graceMs = read.duration('pod-grace') ?? 30_000;
  return {
    ...joined,
    dir: read.text('dir') ?? HOLD_FOLDER,
    probePort: read.integer('probe-port', { from: 0, to: 65_535 }) ?? PROBE_PORT,
    timings: podTimings(graceMs, read.integer('containers', { from: 1, to: 100 }) ?? 1, read.duration('lease-duration')),
  };
}

/** Of it the sidecar waits four seconds before it gives the lock back (commands/hold.ts), and then needs some for its requests. */
const SHORTEST_GRACE_MS = 7000;

function podTimings(graceMs: number, containers: number, durationMs: number | undefined): Timings {
  if (graceMs < SHORTEST_GRACE_MS)
    throw new ConfigurationError(
      `--pod-grace ${formatDuration(graceMs)} leaves the sidecar no time to give the lock back: set terminationGracePeriodSeconds of the Pod to ` +
        `${SHORTEST_GRACE_MS / 1000} or more (docs/sidecar.md#how-a-pod-ends)`,
    );
  // Unless all fail in the same moment, the kubelet stops one container after the other, each with the whole grace.
  const killGraceMs = NOTICED_MS + containers * (graceMs + LAST_MS);
  const grace =
    `a Pod grace of ${formatDuration(graceMs)} and ${formatDuration(LAST_MS)} for each of its containers (${containers}), and ` +
    `${formatDuration(NOTICED_MS)} until the kubelet knows`;
  return settled(timings(durationMs ?? shortest(killGraceMs, { fromMs: SHORTEST_MS }), killGraceMs, undefined, grace));
}

export interface ProbeSettings {
  probePort: number;
}

const PROBE_USAGE =
  'Usage: k8s-lease-lock probe [options]\n\nExits with 0 if the sidecar of this Pod ("k8s-lease-lock hold") holds its lock, else with 1.';

export function readProbeCommandLine(argv: readonly string[], env: Env): Line<ProbeSettings> {
  const settingsOf = (read: Reader) => ({ probePort: read.integer('probe-port', { from: 1, to: 65_535 }) ?? PROBE_PORT });
  return readLine({ usage: PROBE_USAGE, options: pick(['probe-port']), operands: 'none' }, settingsOf, argv, env);
}

export interface AcquireSettings extends JoinSettings, WaitSettings {}

const ACQUIRE_USAGE =
  'Usage: k8s-lease-lock acquire --name NAME --lease-duration DURATION [options]\n\n' +
  'Takes a lock that "k8s-lease-lock release" gives back. Nobody renews it, and nothing is stopped when its time is over (docs/sidecar.md#acquire-and-release).';

export function readAcquireCommandLine(argv: readonly string[], env: Env): Line<AcquireSettings> {
  const names = [...WAITING, 'timeout', 'on-busy', 'conflict-exit-code'] as const;
  const options = pick(names, { 'lease-duration': undefined, holder: 'the Pod' });
  return readLine({ usage: ACQUIRE_USAGE, options, operands: 'none' }, acquireSettings, argv, env);
}

function acquireSettings(read: Reader): AcquireSettings {
  const durationMs = read.duration('lease-duration');
  if (durationMs === undefined)
    throw new UsageError(
      'how long does it take at most? Nobody renews the lock: give --lease-duration, longer than what it is for',
    );
  return { ...joinSettings(read), ...waitSettings(read), timings: settled(timings(durationMs, 0)) };
}

const RELEASE_USAGE =
  'Usage: k8s-lease-lock release --name NAME [options]\n\nGives back a lock that "k8s-lease-lock acquire" has taken for the same holder.';

export function readReleaseCommandLine(argv: readonly string[], env: Env): Line<JoinSettings> {
  const options = pick(
    JOINING.filter((name) => name !== 'lease-duration'),
    { holder: 'the Pod' },
  );
  const settingsOf = (read: Reader) => ({ ...joinSettings(read), timings: settled(timings(60_000, 0)) });
  return readLine({ usage: RELEASE_USAGE, options, operands: 'none' }, settingsOf, argv, env);
}
