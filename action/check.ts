/** `check` and `release`: one look, or one change, and no keeper of their own. */
import { setOutput } from '@actions/core';
import { fromMachineTime, systemClock } from '../src/clock.ts';
import { sharedIdentity } from '../src/lock/identity.ts';
import { withdraw } from '../src/lock/release.ts';
import { parseLease } from '../src/protocol/document.ts';
import { visit } from './connect.ts';
import { tempFolder } from './github-context.ts';
import type { Inputs } from './inputs.ts';
import { isAlive, type Status, sessionsIn } from './job-state.ts';
import { fail, note, subjectOf } from './report.ts';

const NOT_HELD = 'k8s-lease-lock: not held';

/** Fails at once if the lock is not held any more: by this job, or by the holder that is named. */
export async function checkLock(inputs: Inputs): Promise<void> {
  const problem =
    inputs.holder !== undefined && inputs.mode === 'check' ? await problemOfHolder(inputs, inputs.holder) : problemOfJob(inputs);
  setOutput('acquired', problem === undefined);
  if (problem !== undefined) fail(NOT_HELD, problem);
}

function problemOfJob({ name, namespace }: Inputs): string | undefined {
  const mine = sessionsIn(tempFolder())
    .map((session) => session.status())
    .filter((status) => status?.name === name && (namespace === undefined || status.namespace === namespace))
    .filter((status) => status !== undefined);
  if (mine.length === 0)
    return `this job has no lock ${name}${namespace ? ` in namespace ${namespace}` : ''}: was the step that takes it skipped?`;
  const problems = mine.map(problemOf);
  return problems.includes(undefined) ? undefined : problems[0];
}

/** Why a lock that is said to be held is not, or may not be for long. */
export function problemOf(status: Status): string | undefined {
  const subject = subjectOf(status);
  switch (status.phase) {
    case 'held':
      if (!isCurrent(status))
        return `${subject} was lost: nothing has renewed it in time; its keeper ${isAlive(status.keeper) ? 'hangs' : 'has been killed'}`;
      return isAlive(status.keeper) ? undefined : `${subject} is about to be lost: its keeper has been killed`;
    case 'stop-requested':
      return `${subject} is to be given up: ${status.message}`;
    case 'lost':
      return `${subject} was lost at ${status.since}: ${status.message}`;
    default:
      return `${subject} is not held: ${status.message ?? status.phase}`;
  }
}

/** The last renewal is still good, by the clocks that all processes of this machine share. */
export function isCurrent({ stopBy }: Status): boolean {
  const clock = systemClock();
  return stopBy !== undefined && clock.now() < fromMachineTime(clock, stopBy);
}

/** Seconds that the server's clock and the header it is read from may be off. */
const SLACK_MS = 2000;

async function problemOfHolder(inputs: Inputs, holder: string): Promise<string | undefined> {
  const { nonce } = sharedIdentity(holder);
  const visited = await visit(inputs, { id: holder, nonce });
  if (visited.kind === 'refused') return visited.message;
  const { participant, namespace, explain401 } = visited;
  const subject = subjectOf({ name: inputs.name, namespace });
  const answer = await participant.client.read({ timeoutMs: inputs.timings.requestTimeoutMs });
  participant.client.close();
  if (answer.kind === 'absent') return `${subject} does not exist`;
  if (answer.kind === 'refused') return answer.message + (answer.status === 401 ? explain401() : '');
  if (answer.kind !== 'lease') return answer.kind === 'failed' ? answer.message : `${subject} could not be read`;
  const parsed = parseLease(answer.lease);
  if (parsed.kind === 'refused') return parsed.message;
  const { holders, writtenAtServerMs } = parsed.state;
  const mine = holders.find((known) => known.id === holder && known.nonce === nonce && known.standing === 'holds');
  if (!mine) {
    const others = holders.map(({ id }) => id).join(' and ');
    return `${subject} is not held by ${holder}${others ? `, but by ${others}` : ': nobody holds it'}`;
  }
  if (writtenAtServerMs === undefined || answer.serverMs === undefined) return undefined;
  const leftMs = writtenAtServerMs + (mine.durationMs ?? 0) - SLACK_MS - answer.serverMs;
  return leftMs > 0 ? undefined : `${subject} was held by ${holder}, and has expired: lease-duration was too short for the jobs`;
}

export async function releaseShared(inputs: Inputs): Promise<void> {
  const holder = inputs.holder ?? '';
  const visited = await visit(inputs, sharedIdentity(holder));
  if (visited.kind === 'refused') return fail('k8s-lease-lock: not released', visited.message);
  const { participant, namespace, explain401 } = visited;
  const released = await withdraw(participant, undefined);
  participant.client.close();
  const subject = subjectOf({ name: inputs.name, namespace });
  setOutput('acquired', false);
  if (released.kind === 'failed')
    fail('k8s-lease-lock: not released', released.message + (/\b401\b/.test(released.message) ? explain401() : ''));
  else if (released.kind === 'gone') note('k8s-lease-lock: nothing to release', `${subject} was not held by ${holder}`);
}
