/** `mode: check`: whether the lock is still held, by this job or by a holder that several jobs know. It changes nothing: what it writes is a dry run. */
import { setOutput } from '@actions/core';
import { type Participant, serverTime, sharedIdentity } from '../src/lock/index.ts';
import { describeLease, describeLeases } from '../src/names.ts';
import { parseLease } from '../src/protocol/document.ts';
import { findMine } from '../src/protocol/me.ts';
import { connect } from './connect.ts';
import { tempFolder } from './github-context.ts';
import type { Inputs } from './inputs.ts';
import { isCurrent, meansAnyOf, type Status, sessionsIn } from './job-state.ts';
import { isAlive } from './process-name.ts';
import { fail } from './report.ts';

const NOT_HELD = 'k8s-lease-lock: not held';

/** Fails immediately if the lock is not held any more: by this job, or by the holder that is named. */
export async function checkLock(inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  const problem =
    inputs.holder !== undefined && inputs.mode === 'check'
      ? await problemOfHolder(inputs, inputs.holder, env)
      : problemOfJob(inputs, env);
  setOutput('acquired', problem === undefined);
  if (problem !== undefined) fail(NOT_HELD, problem);
}

function problemOfJob({ locks, namespace }: Inputs, env: NodeJS.ProcessEnv): string | undefined {
  const names = locks.map(({ name }) => name).join(', ');
  const mine = sessionsIn(tempFolder(env))
    .map((session) => session.status())
    .filter((status) => status !== undefined)
    .filter((status) => meansAnyOf(locks, status, namespace));
  if (mine.length === 0)
    return `this job has no lock ${names}${namespace ? ` in namespace ${namespace}` : ''}: was the step that takes it skipped?`;
  const problems = mine.map(problemOf);
  return problems.includes(undefined) ? undefined : problems[0];
}

/** Why a lock that is said to be held is not, or may not be for long. */
function problemOf(status: Status): string | undefined {
  const subject = describeLeases(status.locks);
  switch (status.phase) {
    case 'held':
      if (!isCurrent(status))
        return `${subject} was lost: nothing has renewed it in time; the process that renews it ${isAlive(status.keeper) ? 'does not respond' : 'was killed'}`;
      return isAlive(status.keeper) ? undefined : `${subject} is about to be lost: the process that renews it was killed`;
    case 'stop-requested':
      return `${subject} is to be released: ${status.message}`;
    case 'lost':
      return `${subject} was lost at ${status.since}: ${status.message}`;
    case 'busy':
      return `${subject} was not acquired by this job: it was held by ${status.heldBy.join(' and ') || 'others, who were ahead in the queue'}`;
    case 'starting':
    case 'waiting':
      return `${subject} is not held yet: this job still waits for it`;
    case 'released':
    case 'not-released':
      return `${subject} is not held any more: this job has released it`;
    case 'skipped':
    case 'refused':
    case 'unreachable':
    case 'aborted':
      return `${subject} was not acquired by this job: ${status.message ?? 'the wait was ended'}`;
    default:
      return status.phase satisfies never;
  }
}

/** Stamps are whole seconds, and those of several API servers agree only roughly. */
const SLACK_MS = 2000;

async function problemOfHolder(inputs: Inputs, holder: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const identity = sharedIdentity(holder);
  const connected = await connect(inputs, identity, env);
  if (connected.kind === 'refused') return connected.message;
  const {
    participants: [participant],
    explain401,
  } = connected;
  try {
    return await problemOfLease(participant, explain401);
  } finally {
    participant.client.close();
  }
}

async function problemOfLease(participant: Participant, explain401: () => string): Promise<string | undefined> {
  const { me, client, timings } = participant;
  const subject = describeLease(me);
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
  if (answer.kind === 'absent') return `${subject} does not exist`;
  if (answer.kind === 'refused') return answer.message + (answer.reason === 'credentials' ? explain401() : '');
  if (answer.kind !== 'lease') return answer.kind === 'failed' ? answer.message : `${subject} could not be read`;
  const parsed = parseLease(answer.lease);
  if (parsed.kind === 'refused') return parsed.message;
  const { holders, writtenAtServerMs } = parsed.state;
  const mine = findMine(holders, me);
  if (mine?.standing !== 'holds') {
    const others = holders.map(({ id }) => id).join(' and ');
    return `${subject} is not held by ${me.id}${others ? `, but by ${others}` : ': nobody holds it'}`;
  }
  const nowMs = await serverTime(participant, { state: parsed.state, exists: true });
  if (writtenAtServerMs === undefined || nowMs === undefined) return undefined;
  const leftMs = writtenAtServerMs + (mine.durationMs ?? 0) - SLACK_MS - nowMs;
  return leftMs > 0 ? undefined : `${subject} was held by ${me.id}, and has expired: lease-duration was too short for the jobs`;
}
