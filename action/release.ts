/**
 * The end of a held lock: the keeper gives it back, and if it can't any more, this does. What is in the Lease under another name is never
 * touched. Whether the lock was held all the time is judged by what the keeper last wrote down.
 */
import { endGroup, getState, info, startGroup } from '@actions/core';
import { systemClock } from '../src/clock.ts';
import { withdraw } from '../src/lock/release.ts';
import { isCurrent } from './check.ts';
import { visit } from './connect.ts';
import type { Inputs } from './inputs.ts';
import { isAlive, isFinal, type Session, type Status } from './job-state.ts';
import { logOf, untilEnded } from './keeper-client.ts';
import { fail, subjectOf, summarise, warn } from './report.ts';

/** Beyond the two requests that releasing takes. */
const SPARE_MS = 3000;

export async function letGo(session: Session, inputs: Inputs): Promise<void> {
  if (!session.exists()) return await letGoBlindly(inputs);
  const before = session.status();
  // Taken down before the release: what is late by then was late while the steps ran.
  const wasCurrent = before !== undefined && isCurrent(before);
  session.leave('release');
  const ended = await untilEnded(session, systemClock(), 2 * inputs.timings.requestTimeoutMs + SPARE_MS);
  const status = session.status();
  if (!ended && status) endKeeper(status);
  replay(session);
  if (status && isFinal(status)) return await conclude(status, inputs);
  if (status?.extended) return;
  await standIn(status, { wasCurrent, ended }, inputs);
}

/** Hung, or stopped: what it holds is given back without it. Where a start can't be seen, the id may be another process's by now. */
function endKeeper({ keeper }: Status): void {
  if (keeper.startedTicks !== undefined && isAlive(keeper)) process.kill(keeper.pid, 'SIGKILL');
}

function replay(session: Session): void {
  startGroup('k8s-lease-lock: what the keeper of the lock said');
  info(logOf(session).trimEnd());
  endGroup();
}

async function conclude(status: Status, inputs: Inputs): Promise<void> {
  switch (status.phase) {
    case 'lost':
      await summarise(status, status.heldMs, 'lost');
      return sayLost(`${subjectOf(status)} was lost at ${status.since}: ${status.message}`, inputs);
    case 'not-released':
      await summarise(status, status.heldMs, 'held, not released');
      return warn('k8s-lease-lock: not released', `${subjectOf(status)} is free when it expires: ${status.message}`);
    case 'released':
      return await summarise(status, status.heldMs, 'held');
    default:
      return; // It was never held, and main has said why.
  }
}

function sayLost(message: string, { onLost }: Inputs): void {
  const title = 'k8s-lease-lock: lost';
  const told = `${message}. From then on the steps ran without the lock (docs/action.md#lost)`;
  if (onLost === 'warn') warn(title, told);
  else fail(title, told);
}

/** A step has cleared the job's temporary folder; the keeper has then given the lock back. */
async function letGoBlindly(inputs: Inputs): Promise<void> {
  const failed = await withdrawAsOurselves(inputs);
  const subject = subjectOf({ name: inputs.name, namespace: inputs.namespace ?? '' });
  if (getState('acquired') === 'true')
    sayLost(`${subject} was given back before the end of the job, when its folder in RUNNER_TEMP was removed`, inputs);
  else if (failed !== undefined) warn('k8s-lease-lock: not released', `${subject} is free when it expires: ${failed}`);
}

/** Why it could not be done. */
async function withdrawAsOurselves(inputs: Inputs, holder = getState('holder')): Promise<string | undefined> {
  const visited = await visit(inputs, { id: holder, nonce: getState('nonce') });
  if (visited.kind === 'refused') return visited.message;
  const released = await withdraw(visited.participant, undefined);
  visited.participant.client.close();
  return released.kind === 'failed' ? released.message : undefined;
}

async function standIn(
  status: Status | undefined,
  { wasCurrent, ended }: { wasCurrent: boolean; ended: boolean },
  inputs: Inputs,
): Promise<void> {
  const failed = await withdrawAsOurselves(inputs, status?.holder);
  const held = status?.token !== undefined;
  const subject = subjectOf(status ?? { name: inputs.name, namespace: inputs.namespace ?? '' });
  const cause = ended || !status ? 'the process that kept it was killed' : 'the process that kept it hung';
  if (held && !wasCurrent) return sayLost(`${subject} was lost: ${cause}, and nothing renewed it in time`, inputs);
  if (held && status) await summarise(status, undefined, 'held');
  if (failed !== undefined) warn('k8s-lease-lock: not released', `${subject} is free when it expires: ${cause}, and ${failed}`);
  else if (held) info(`${subject}: ${cause}; given back without it, in time`);
}
