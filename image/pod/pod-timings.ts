/** How long a lease has to be for the kubelet to stop the containers of a Pod within it: the sum of docs/sidecar.md. */
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { shortest, type Timings, timings } from '../../src/protocol/timings.ts';
import { ConfigurationError, settled } from '../options.ts';

/**
 * From the first 503 to the first SIGTERM: three seconds until two probes have failed, a second apart and with a second for an answer, as docs/sidecar.md has
 * them; and two in which the kubelet's one worker for the Pod may be busy with it.
 */
const NOTICED_MS = 5000;
/** What the kubelet grants each container that has used its grace up, in a preStop hook. */
const LAST_MS = 2000;
const SHORTEST_MS = 60_000;

/** Of it the sidecar waits LAST_SECONDS_MS before it releases the lock, and then needs some for its requests. */
const SHORTEST_GRACE_MS = 7000;

export function podTimings(graceMs: number, containers: number, durationMs: number | undefined): Timings {
  if (graceMs < SHORTEST_GRACE_MS)
    throw new ConfigurationError(
      `--pod-grace ${formatDuration(graceMs)} leaves the sidecar no time to release the lock: set terminationGracePeriodSeconds of the Pod to ` +
        `${SHORTEST_GRACE_MS / 1000} or more (${documentAt('sidecar.md#how-a-pod-ends')})`,
    );
  // Unless all fail in the same moment, the kubelet stops one container after the other, each with the whole grace.
  const killGraceMs = NOTICED_MS + containers * (graceMs + LAST_MS);
  const grace =
    `a Pod grace of ${formatDuration(graceMs)} and ${formatDuration(LAST_MS)} for each of its containers (${containers}), and ` +
    `${formatDuration(NOTICED_MS)} until the kubelet knows`;
  return settled(timings(durationMs ?? shortest(killGraceMs, { fromMs: SHORTEST_MS }), killGraceMs), {
    duration: 'lease duration',
    grace,
    shorterGrace: undefined,
    stopping: 'stopping the containers',
  });
}
