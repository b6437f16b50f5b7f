/**
 * What the three phases of a step do. `pre` checks the inputs, and takes the lock where that is asked for; `main` does what the mode says;
 * `post` gives back what is held, and says how it went. Each ends with one annotation at most.
 */
import { getState, info, saveState } from '@actions/core';
import { formatDuration } from '../src/protocol/timings.ts';
import { checkLock, releaseShared } from './check.ts';
import { forkHint, InputError, type Inputs, readInputs } from './inputs.ts';
import { type Session, type Status, sessionIn } from './job-state.ts';
import { follow, startKeeper } from './keeper-client.ts';
import { letGo } from './release.ts';
import { fail, maskSecrets, note, setOutputs, subjectOf, summarise } from './report.ts';
import { leaveAfterRun, runUnderLock } from './run.ts';

export async function pre(): Promise<void> {
  await withInputs(false, async ({ acquireIn }) => {
    if (acquireIn !== 'pre') return;
    info(`k8s-lease-lock: acquire-in pre takes the lock before the first step of the job. ${PRE}`);
    await takeLock(readInputs(true));
  });
}

const PRE =
  "The step's if does not apply, and no step can have written a kubeconfig: the credentials have to be complete by themselves " +
  '(kubeconfig or token, oidc-audience, or a runner in the cluster; docs/action.md#before-the-first-step)';

export async function main(): Promise<void> {
  await withInputs(true, async (inputs) => {
    const folder = getState('session');
    if (folder !== '') return await continueFromPre(sessionIn(folder), inputs);
    if (inputs.run !== undefined) return await runUnderLock({ ...inputs, run: inputs.run });
    switch (inputs.mode) {
      case 'hold':
      case 'acquire':
        return await takeLock(inputs);
      case 'release':
        return await releaseShared(inputs);
      case 'check':
        return await checkLock(inputs);
      default:
        return inputs.mode satisfies never;
    }
  });
}

export async function post(): Promise<void> {
  // Nothing was begun: the step was skipped, or its inputs were wrong.
  if (getState('nonce') === '') return;
  await withInputs(false, async (inputs) => {
    const folder = getState('session');
    if (folder === '') await leaveAfterRun(inputs);
    else if (inputs.mode === 'hold' || getState('done') === '') await letGo(sessionIn(folder), inputs);
  });
}

async function withInputs(due: boolean, act: (inputs: Inputs) => Promise<void>): Promise<void> {
  try {
    const inputs = readInputs(due);
    maskSecrets(inputs);
    await act(inputs);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    fail('k8s-lease-lock: wrong input', `${error.message} (docs/action.md#inputs)`);
  }
}

async function takeLock(inputs: Inputs): Promise<void> {
  const followed = await follow(startKeeper(inputs));
  switch (followed.kind) {
    case 'cancelled':
      return fail(
        'k8s-lease-lock: cancelled',
        `not acquired: ended by ${followed.signal} while waiting for the lock ${inputs.name}`,
      );
    case 'broken':
      return fail('k8s-lease-lock: not acquired', followed.message);
    case 'status':
      saveState('done', 'true');
      saveState('acquired', followed.status.token !== undefined);
      setOutputs(followed.status.token !== undefined, followed.status);
      await sayTaken(followed.status, inputs);
      return;
    default:
      return followed satisfies never;
  }
}

async function sayTaken(status: Status, { onBusy, mode, acquireIn }: Inputs): Promise<void> {
  const subject = subjectOf(status);
  switch (status.phase) {
    case 'held':
    case 'stop-requested':
      if (mode === 'acquire') await summarise(status, undefined, 'acquired');
      return;
    case 'busy': {
      const why = status.heldBy.length > 0 ? `it is held by ${status.heldBy.join(' and ')}` : `${status.position} wait before us`;
      const message = `${subject} was not acquired after ${formatDuration(status.waitedMs)}: ${why}`;
      await summarise(status, undefined, onBusy === 'skip' ? 'skipped' : 'not acquired');
      return onBusy === 'skip' ? note('k8s-lease-lock: skipped', message) : fail('k8s-lease-lock: not acquired', message);
    }
    default:
      return fail('k8s-lease-lock: not acquired', (status.message ?? `${subject}: ${status.phase}`) + hintFor(status, acquireIn));
  }
}

/** An empty secret looks like no credentials at all, or like bad ones. */
function hintFor({ phase, message = '' }: Status, acquireIn: Inputs['acquireIn']): string {
  if (phase !== 'refused' || !/401|no cluster/.test(message)) return '';
  return acquireIn === 'pre' ? `. ${PRE}` : forkHint();
}

/** `pre` has taken the lock, or has not: it is said here, where outputs are. */
async function continueFromPre(session: Session, inputs: Inputs): Promise<void> {
  const status = session.status();
  if (!status) return fail('k8s-lease-lock: lost', 'what pre has left is gone: has a step cleared RUNNER_TEMP?');
  setOutputs(status.phase === 'held' || status.phase === 'stop-requested', status);
  if (status.phase !== 'busy') await checkLock(inputs);
}
