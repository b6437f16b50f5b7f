/**
 * What the three phases of a step do. `pre` checks the inputs, and takes the lock where that is asked for; `main` does what the mode says;
 * `post` releases what is held, and reports how it went. Each ends with one annotation at most.
 */
import { exportVariable, getState, info, saveState } from '@actions/core';
import { documentAt } from '../src/documents.ts';
import { formatDuration } from '../src/durations.ts';
import { ANCESTORS } from '../src/guard/command-environment.ts';
import { describePosition } from '../src/lock/describe.ts';
import { describeLeases } from '../src/names.ts';
import { checkLock } from './check.ts';
import { InputError, restoreInputs, saveInputs } from './given-inputs.ts';
import { forkHint, type Inputs, readInputs } from './inputs.ts';
import { type Session, type Status, sessionIn } from './job-state.ts';
import { acquiredBefore, follow, heldByThisJob, startKeeper } from './keeper-client.ts';
import { releaseHeld, releaseShared } from './release.ts';
import { fail, note, setOutputs, summarise, warn } from './report.ts';
import { leaveAfterRun, runUnderLock } from './run.ts';
import { maskSecrets } from './secrets.ts';

export async function pre(env: NodeJS.ProcessEnv): Promise<void> {
  await withInputs('pre', env, async ({ acquireIn }) => {
    if (acquireIn !== 'pre') return;
    saveInputs(env);
    info(`k8s-lease-lock: acquire-in pre takes the lock before the first step of the job. ${PRE}`);
    await acquireForJob(readInputs('main', env), env);
  });
}

const PRE =
  "The step's if does not apply, and no step can have written a kubeconfig: the credentials have to be complete by themselves " +
  `(kubeconfig or token, oidc-audience, or a runner in the cluster; ${documentAt('action.md#before-the-first-step')})`;

export async function main(env: NodeJS.ProcessEnv): Promise<void> {
  await withInputs('main', env, async (inputs) => {
    saveInputs(env);
    const folder = getState('session');
    if (folder !== '') return await continueFromPre(sessionIn(folder), inputs, env);
    if (inputs.run !== undefined) {
      if (reportOwnLock(inputs, env)) await runUnderLock({ ...inputs, run: inputs.run }, env);
      return;
    }
    switch (inputs.mode) {
      case 'hold':
      case 'acquire':
        return await acquireForJob(inputs, env);
      case 'release':
        return await releaseShared(inputs, env);
      case 'check':
        return await checkLock(inputs, env);
      default:
        return inputs.mode satisfies never;
    }
  });
}

export async function post(env: NodeJS.ProcessEnv): Promise<void> {
  // Nothing was begun: the step was skipped, or its inputs were wrong.
  if (getState('nonce') === '') return;
  restoreInputs(env);
  await withInputs('post', env, async (inputs) => {
    const folder = getState('session');
    if (folder === '') await leaveAfterRun(inputs, env);
    else if (inputs.mode === 'hold' || getState('done') === '') await releaseHeld(sessionIn(folder), inputs, env);
  });
}

async function withInputs(
  phase: 'pre' | 'main' | 'post',
  env: NodeJS.ProcessEnv,
  act: (inputs: Inputs) => Promise<void>,
): Promise<void> {
  try {
    const inputs = readInputs(phase, env);
    await maskSecrets(inputs);
    await act(inputs);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    fail('k8s-lease-lock: invalid input', `${error.message} (${documentAt('action.md#inputs')})`);
  }
}

/** False, and reported, if an earlier step of this job holds the lock: waiting for it would only end with the job. */
function reportOwnLock(inputs: Inputs, env: NodeJS.ProcessEnv): boolean {
  const held = inputs.mode === 'acquire' ? undefined : heldByThisJob(inputs, env);
  if (!held) return true;
  fail(
    'k8s-lease-lock: not acquired',
    `${describeLeases(held.locks)} is held by ${held.holder}, an earlier step of this job, until the job ends: this step would wait for ` +
      'itself. Remove one of the two, or use another lock',
  );
  return false;
}

async function acquireForJob(inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  if (!reportOwnLock(inputs, env)) return;
  const started = startKeeper(inputs, env);
  const followed = await follow(started);
  switch (followed.kind) {
    case 'cancelled':
      return fail(
        'k8s-lease-lock: cancelled',
        `not acquired: ended by ${followed.signal} while waiting for ${describeLeases(inputs.locks)}`,
      );
    case 'broken':
      return fail('k8s-lease-lock: not acquired', followed.message);
    case 'status':
      try {
        saveState('done', 'true');
        saveState('acquired', followed.status.token !== undefined);
        setOutputs(followed.status.token !== undefined, followed.status);
        return await reportAcquired(followed.status, inputs, env);
      } catch (error) {
        // The job fails, and need not wait for its end to give the lock back.
        started.session.leave('release');
        throw error;
      }
    default:
      return followed satisfies never;
  }
}

async function reportAcquired(status: Status, { onBusy, mode, acquireIn }: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  const subject = describeLeases(status.locks);
  switch (status.phase) {
    case 'held':
    case 'stop-requested':
      if (status.resumed !== undefined && !acquiredBefore(status, env)) warn('k8s-lease-lock: held already', status.resumed);
      if (mode === 'acquire') await summarise(status, undefined, 'acquired');
      // A guard that a later step starts for the same lock would wait for this job: it finds the holder among its ancestors.
      else exportVariable(ANCESTORS, [env[ANCESTORS], status.holder].filter(Boolean).join(' '));
      return;
    case 'busy': {
      const why = status.heldBy.length > 0 ? `it is held by ${status.heldBy.join(' and ')}` : describePosition(status.position);
      const message = `${subject} was not acquired after ${formatDuration(status.waitedMs)}: ${why}`;
      await summarise(status, undefined, onBusy === 'skip' ? 'skipped' : 'not acquired');
      return onBusy === 'skip' ? note('k8s-lease-lock: skipped', message) : fail('k8s-lease-lock: not acquired', message);
    }
    case 'skipped':
      await summarise(status, undefined, 'skipped');
      return note('k8s-lease-lock: skipped', `${subject} was not acquired: ${status.message}`);
    default:
      return fail(
        'k8s-lease-lock: not acquired',
        (status.message ?? `${subject}: ${status.phase}`) + hintFor(status, acquireIn, env),
      );
  }
}

/** An empty secret looks like no credentials at all, or like bad ones. */
function hintFor({ noCredentials }: Status, acquireIn: Inputs['acquireIn'], env: NodeJS.ProcessEnv): string {
  if (!noCredentials) return '';
  return acquireIn === 'pre' ? `. ${PRE}` : forkHint(env);
}

/** `pre` has acquired the lock, or has not: it is reported here, where outputs are. */
async function continueFromPre(session: Session, inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  const status = session.status();
  if (!status)
    return fail('k8s-lease-lock: lost', 'the state saved by the pre phase is missing; a step may have deleted RUNNER_TEMP');
  setOutputs(status.phase === 'held' || status.phase === 'stop-requested', status);
  if (status.phase !== 'busy' && status.phase !== 'skipped') await checkLock(inputs, env);
}
