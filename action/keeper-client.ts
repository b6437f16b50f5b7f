/** The step's side of a held lock: starts the keeper, follows it until the lock is held or not acquired, and releases it when cancelled. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { info, saveState } from '@actions/core';
import { type Clock, later, systemClock, waitUntil } from '../src/clock.ts';
import { openSignalInbox } from '../src/guard/signals.ts';
import { aboutOf, identityOf, keeperScript, tempFolder } from './github-context.ts';
import type { Inputs } from './inputs.ts';
import {
  findRunner,
  isCurrent,
  isFinal,
  LOOK_MS,
  logOf,
  meansAnyOf,
  newSession,
  type Session,
  type Status,
  sessionsIn,
  untilEnded,
} from './job-state.ts';
import { nameOf } from './process-name.ts';
import type { Task } from './task.ts';

/** For a Node to start on a loaded machine, and to say so. */
const START_MS = 20_000;
/** Of the ten seconds between a cancellation and the end of this process: leaving the queue is two requests. */
const LEAVE_MS = 7000;

export type Followed =
  /** The keeper's last word: held, or why it is not. */
  | { kind: 'status'; status: Status }
  | { kind: 'cancelled'; signal: string }
  /** The keeper has ended, or never begun, without a last word. */
  | { kind: 'broken'; message: string };

export interface Started {
  session: Session;
  hasEnded(): boolean;
}

/** The lock that this job holds already, by an earlier step: waiting for it would never end. */
export function heldByThisJob({ locks, namespace }: Inputs, env: NodeJS.ProcessEnv): Status | undefined {
  return sessionsIn(tempFolder(env))
    .map((session) => session.status())
    .find(
      (status) =>
        status !== undefined &&
        meansAnyOf(locks, status, namespace) &&
        (status.phase === 'held' || status.phase === 'stop-requested') &&
        isCurrent(status),
    );
}

/** An earlier step of this job has acquired the lock for the same holder: that this step has it, too, is meant. */
export function acquiredBefore({ locks, nonce, keeper }: Status, env: NodeJS.ProcessEnv): boolean {
  return sessionsIn(tempFolder(env))
    .map((session) => session.status())
    .some((status) => status?.nonce === nonce && meansAnyOf(locks, status) && status.keeper.pid !== keeper.pid);
}

/** Starts a keeper with these inputs. Its folder is in the state before anything is written into the Lease: a killed step still gets its post. */
export function startKeeper(inputs: Inputs, env: NodeJS.ProcessEnv): Started {
  const identity = identityOf(inputs, env);
  const session = newSession(tempFolder(env), `${identity.nonce}-${process.pid}`);
  saveState('session', session.folder);
  saveState('holder', identity.id);
  saveState('nonce', identity.nonce);
  const { GITHUB_API_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN, ACTIONS_ID_TOKEN_REQUEST_URL } = env;
  const task: Task = {
    folder: session.folder,
    inputs,
    identity,
    about: aboutOf(inputs, env),
    env: { GITHUB_API_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN, ACTIONS_ID_TOKEN_REQUEST_URL },
    step: nameOf(process.pid),
    runner: findRunner(),
  };
  const log = openSync(session.logFile, 'a', 0o600);
  // Nothing of ours is handed down: the runner waits for whoever still holds its streams. What prints to stdout there masks a token by naming it.
  const child = spawn(process.execPath, [keeperScript(), session.folder], {
    detached: true,
    windowsHide: true,
    stdio: ['pipe', 'ignore', log],
    env: withoutSecrets(env),
  });
  closeSync(log);
  let ended = false;
  const onEnd = () => {
    ended = true;
  };
  child.once('error', onEnd);
  child.once('exit', onEnd);
  child.stdin?.on('error', () => {}); // It has ended, which is said above.
  child.stdin?.end(JSON.stringify(task));
  child.unref();
  return { session, hasEnded: () => ended };
}

/** Prints what the keeper says until the lock is held, or is not to be had, or this step is cancelled. */
export async function follow({ session, hasEnded }: Started): Promise<Followed> {
  const clock = systemClock();
  const inbox = openSignalInbox();
  const print = printer(session);
  try {
    const startBy = later(clock.now(), START_MS);
    for (;;) {
      print();
      const ended = hasEnded();
      // Read after that: what it said before it ended counts.
      const status = session.status();
      if (inbox.ending.aborted) return await leave(session, clock, String(inbox.ending.reason));
      if (status && (isFinal(status) || status.token !== undefined)) {
        session.leave('taken');
        saveState('holder', status.holder);
        return { kind: 'status', status };
      }
      if (ended || (!status && clock.now() >= startBy)) return broken(session);
      await waitUntil(clock, later(clock.now(), LOOK_MS), inbox.ending);
    }
  } finally {
    print();
    inbox.close();
  }
}

async function leave(session: Session, clock: Clock, signal: string): Promise<Followed> {
  session.leave('release');
  await untilEnded(session, clock, LEAVE_MS);
  return { kind: 'cancelled', signal };
}

function broken(session: Session): Followed {
  session.leave('release');
  return {
    kind: 'broken',
    message: `the process that renews the lock has ended, or did not start. ${logOf(session).slice(-500)}`,
  };
}

function printer(session: Session): () => void {
  let printed = 0;
  return () => {
    const text = logOf(session);
    const whole = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(printed, whole).split('\n')) if (line) info(line);
    printed = whole;
  };
}

/** The keeper is told what it needs; credential plugins of a kubeconfig find their own variables. */
function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = /^(INPUT_|STATE_|ACTIONS_|NODE_OPTIONS$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}
