/**
 * The end of a held lock: the keeper releases it, and if it can't any more, this does. What is in the Lease under another name is never
 * touched. Whether the lock was held all the time is judged by what the keeper last wrote down.
 */
import { endGroup, getState, info, setOutput, startGroup } from '@actions/core';
import { systemClock } from '../src/clock.ts';
import { documentAt } from '../src/documents.ts';
import { describeUnlocked } from '../src/lock/describe-unlock.ts';
import { release, sharedIdentity } from '../src/lock/index.ts';
import { unlock } from '../src/lock/unlock.ts';
import { describeLease, describeLeases } from '../src/names.ts';
import { type Connected, connect } from './connect.ts';
import { aboutOf } from './github-context.ts';
import type { Inputs } from './inputs.ts';
import { isCurrent, isFinal, logOf, type Session, type Status, untilEnded } from './job-state.ts';
import { isAlive } from './process-name.ts';
import { fail, note, say, summarise, warn } from './report.ts';

/** Beyond the two requests that releasing takes. */
const SPARE_MS = 3000;

export async function releaseHeld(session: Session, inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  if (!session.exists()) return await releaseWithoutFolder(inputs, env);
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
  await releaseForKeeper(status, { wasCurrent, ended }, { inputs, env });
}

/** It hangs, or was stopped: what it holds is released without it. Where a start can't be seen, the id may be another process's by now. */
function endKeeper({ keeper }: Status): void {
  if (keeper.startedTicks !== undefined && isAlive(keeper)) process.kill(keeper.pid, 'SIGKILL');
}

function replay(session: Session): void {
  startGroup('k8s-lease-lock: log of the process that renewed the lock');
  info(logOf(session).trimEnd());
  endGroup();
}

async function conclude(status: Status, inputs: Inputs): Promise<void> {
  switch (status.phase) {
    case 'lost':
      await summarise(status, status.heldMs, 'lost');
      return reportLost(`${describeLeases(status.locks)} was lost at ${status.since}: ${status.message}`, inputs);
    case 'not-released':
      await summarise(status, status.heldMs, 'held, not released');
      return warn('k8s-lease-lock: not released', `${describeLeases(status.locks)} is free when it expires: ${status.message}`);
    case 'released':
      await summarise(status, status.heldMs, status.replaced === undefined ? 'held' : 'replaced');
      return status.replaced === undefined ? undefined : reportReplaced(status, status.replaced, inputs);
    default:
      return; // It was never held, and main has said why.
  }
}

function reportReplaced(status: Status, replaced: string, { onLost }: Inputs): void {
  const message = `the holder of ${describeLeases(status.locks)} was ${replaced}. The lock was held until the end of the job (${documentAt('policies.md#replace')})`;
  if (onLost === 'warn') warn('k8s-lease-lock: replaced', message);
  else fail('k8s-lease-lock: replaced', message);
}

function reportLost(message: string, { onLost }: Inputs): void {
  const title = 'k8s-lease-lock: lost';
  const text = `${message}. From then on the steps ran without the lock (${documentAt('action.md#lost')})`;
  if (onLost === 'warn') warn(title, text);
  else fail(title, text);
}

/** A step has cleared the job's temporary folder; the keeper has then released the lock. */
async function releaseWithoutFolder(inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  const failed = await tryRelease(inputs, env);
  const subject = describeLeases(inputs.locks);
  if (getState('acquired') === 'true')
    reportLost(`${subject} was released before the end of the job, when its folder in RUNNER_TEMP was removed`, inputs);
  else if (failed !== undefined) warn('k8s-lease-lock: not released', `${subject} is free when it expires: ${failed}`);
}

/** Why the lock could not be released. */
async function tryRelease(inputs: Inputs, env: NodeJS.ProcessEnv, holder = getState('holder')): Promise<string | undefined> {
  const connected = await connect(inputs, { id: holder, nonce: getState('nonce') }, env);
  if (connected.kind === 'refused') return connected.message;
  const released = await Promise.all(
    connected.participants.map((participant) => release(participant, undefined).finally(() => participant.client.close())),
  );
  return released.find((one) => one.kind === 'failed')?.message;
}

async function releaseForKeeper(
  status: Status | undefined,
  { wasCurrent, ended }: { wasCurrent: boolean; ended: boolean },
  { inputs, env }: { inputs: Inputs; env: NodeJS.ProcessEnv },
): Promise<void> {
  const failed = await tryRelease(inputs, env, status?.holder);
  const held = status?.token !== undefined;
  const subject = describeLeases((status ?? inputs).locks);
  const cause = ended || !status ? 'the process that renewed it was killed' : 'the process that renewed it did not respond';
  if (held && !wasCurrent) return reportLost(`${subject} was lost: ${cause}, and nothing renewed it in time`, inputs);
  if (held && status) await summarise(status, undefined, 'held');
  if (failed !== undefined) warn('k8s-lease-lock: not released', `${subject} is free when it expires: ${cause}, and ${failed}`);
  else if (held) say(`${subject}: ${cause}; released without it, in time`);
}

/** `mode: release`: releases what another job has acquired under a holder that both know; or asks whoever else holds the lock under that id. */
export async function releaseShared(inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  const holder = inputs.holder ?? '';
  const connected = await connect(inputs, sharedIdentity(holder), env);
  if (connected.kind === 'refused') return fail(NOT_RELEASED, connected.message);
  const {
    participants: [participant],
    explain401,
  } = connected;
  const released = await release(participant, undefined);
  setOutput('acquired', false);
  if (released.kind === 'failed') fail(NOT_RELEASED, released.message + (released.reason === 'credentials' ? explain401() : ''));
  else if (released.kind === 'gone') await unlockHolder(holder, connected, inputs, env);
  participant.client.close();
}

const NOT_RELEASED = 'k8s-lease-lock: not released';

async function unlockHolder(
  holder: string,
  { participants: [participant], cluster, clock }: Connected & { kind: 'participants' },
  inputs: Inputs,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const { me } = participant;
  const { force, timeoutMs } = inputs;
  const { who, reason, url, host } = aboutOf(inputs, env);
  const result = await unlock(cluster, participant, {
    holder,
    reason: [reason, url].filter(Boolean).join(', '),
    force,
    timeoutMs,
    caller: { host: host ?? '', user: who },
    onAsked: ({ id }) => say(`k8s-lease-lock: asked ${id} to release ${describeLease(me)}`),
  });
  if (result.kind === 'not-held' || (result.kind === 'refused' && result.reason === 'absent'))
    return note('k8s-lease-lock: nothing to release', `${describeLease(me)} was not held by ${holder}`);
  if (result.kind === 'failed' || result.kind === 'refused') return fail(NOT_RELEASED, `${describeLease(me)}: ${result.message}`);
  const words = { force: 'force: silent', forceLive: 'force: live', status: `k8s-lease-lock status ${me.name}` };
  const message = describeUnlocked(result, { me, holder, timeoutMs, now: clock.wall(), words });
  if (result.kind === 'unlocked') say(`k8s-lease-lock: ${message}`);
  else fail(NOT_RELEASED, message);
}
