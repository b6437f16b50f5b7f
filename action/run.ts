/** `run`: a command under the guard itself, in this step. The tight guarantee: it is stopped before the lock can pass to another. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getState, saveState } from '@actions/core';
import { later, systemClock, waitUntil } from '../src/clock.ts';
import { eventLog } from '../src/guard/event-log.ts';
import { type GuardOutcome, guard } from '../src/guard/guard.ts';
import { signalName } from '../src/guard/signals.ts';
import { openSupervisor } from '../src/guard/supervisor/link.ts';
import { describeNotAcquired, describeStop } from '../src/lock/describe.ts';
import { type Identity, namedTwice, type Participant, release } from '../src/lock/index.ts';
import { logOf, logTo } from '../src/log.ts';
import { describeLease } from '../src/names.ts';
import { parseLease } from '../src/protocol/document.ts';
import { findMine } from '../src/protocol/me.ts';
import { type Connected, connect } from './connect.ts';
import { identityOf, supervisorFolder, tempFolder } from './github-context.ts';
import { InputError } from './given-inputs.ts';
import type { Inputs } from './inputs.ts';
import { isAlive, nameOf, type ProcessName } from './process-name.ts';
import { fail, note, setOutputs, summarise, warn } from './report.ts';
import { type Seen, watchOutcome } from './seen.ts';

const STDOUT = 1;
/** Of the ten seconds that a cancelled step has: what is left is for SIGKILL, and for releasing the lock. */
const CANCEL_MS = 3000;

const ON_LOSS = { fail: 'stopping the command', cancel: 'stopping the command', warn: 'the command goes on WITHOUT the lock' };

export async function runUnderLock(inputs: Inputs & { run: string }, env: NodeJS.ProcessEnv): Promise<void> {
  const identity = identityOf(inputs, env);
  // The nonce last: with it, post takes the rest to be there.
  saveState('step', nameOf(process.pid));
  saveState('holder', identity.id);
  saveState('nonce', identity.nonce);
  const connected = await connect(inputs, identity, env);
  if (connected.kind === 'refused') return fail('k8s-lease-lock: not acquired', connected.message);
  const { participants, clock } = connected;
  const twice = namedTwice(participants);
  if (twice) return fail('k8s-lease-lock: not acquired', `${describeLease(twice.me)} is named twice: name each lock once`);
  if (inputs.workingDirectory !== undefined) enter(inputs.workingDirectory);
  const script = writeScript(inputs, env);
  const seen = watchOutcome(connected, identity.id);
  const log = logTo({ clock, format: 'text', level: 'info', fd: STDOUT });
  const onLoss = () => (seen.acquired() ? ON_LOSS[inputs.onLost] : 'waiting for all of the locks again');
  const lines = new Map(participants.map((one) => [one, eventLog(one, logOf(log, one.me), onLoss)]));
  try {
    const outcome = await guard({
      participants,
      argv: script.argv,
      env: commandEnvironment(env),
      timeoutMs: inputs.timeoutMs,
      onBusy: inputs.onBusy,
      whenLost: inputs.onLost === 'warn' ? 'go-on' : 'stop',
      orphans: 'stop',
      endWithinMs: CANCEL_MS,
      openSupervisor: openSupervisor({ kind: 'folder', folder: supervisorFolder(), descriptors: [] }),
      log: participants.length > 1 ? log : logOf(log, participants[0].me),
      logFormat: 'text',
      onEvent(event, of) {
        seen.onEvent(event, of);
        lines.get(of)?.onEvent(event);
      },
    });
    await log.flush();
    await report(outcome, seen, { ...connected, inputs });
  } finally {
    for (const { close } of lines.values()) close();
    script.remove();
    for (const { client } of participants) client.close();
    saveState('done', 'true');
  }
}

interface ReportContext extends Omit<Connected & { kind: 'participants' }, 'kind'> {
  inputs: Inputs;
}

async function report(outcome: GuardOutcome, seen: Seen, context: ReportContext): Promise<void> {
  const { inputs } = context;
  const lost = seen.lost();
  if (seen.acquired()) {
    // Not while the command runs: a disk that is full must not end that.
    setOutputs(true, seen.outcome());
    await summarise(seen.outcome(), seen.elapsedMs() - seen.outcome().waitedMs, describeEnd(outcome));
    if (lost && inputs.onLost === 'warn') warn('k8s-lease-lock: lost', `${lost}; the command went on without the lock`);
  } else {
    const missed = { ...seen.outcome(), waitedMs: seen.elapsedMs() };
    setOutputs(false, missed);
    await summarise(missed, undefined, 'not acquired');
  }
  const annotation = annotationOf(outcome, context);
  if (!annotation) return;
  const [annotate, title, message] = annotation;
  annotate(title, message);
}

function describeEnd(outcome: GuardOutcome): string {
  if (outcome.kind !== 'ended') return `command stopped: ${outcome.kind}`;
  return `command ended with ${'code' in outcome.end ? outcome.end.code : signalName(outcome.end.signal)}`;
}

type Annotate = (title: string, message: string) => void;

/** The one annotation of the step: `fail` also makes it fail. */
function annotationOf(
  outcome: GuardOutcome,
  { inputs, clock, explain401 }: ReportContext,
): [Annotate, title: string, message: string] | undefined {
  switch (outcome.kind) {
    case 'ended':
      if ('code' in outcome.end && outcome.end.code === 0) return undefined;
      return [
        fail,
        'k8s-lease-lock: the command failed',
        'code' in outcome.end ? `it ended with exit code ${outcome.end.code}` : `it ended by ${signalName(outcome.end.signal)}`,
      ];
    case 'lost':
      return [fail, 'k8s-lease-lock: lost', `the lock was lost: ${outcome.reason}; the command was stopped`];
    case 'stopped':
      return [fail, 'k8s-lease-lock: stopped', `the command was stopped: ${describeStop(outcome.request)}`];
    case 'overdue':
      return [fail, 'k8s-lease-lock: the command failed', `it did not end on ${outcome.signal}, and was stopped`];
    case 'interrupted':
      return [fail, 'k8s-lease-lock: not acquired', `ended by ${outcome.signal} before the command was started`];
    case 'not-acquired': {
      const { acquisition, of } = outcome;
      const message = describeNotAcquired(acquisition, of.me, clock.wall());
      if (acquisition.kind === 'skipped' || (acquisition.kind === 'busy' && inputs.onBusy === 'skip'))
        return [note, 'k8s-lease-lock: skipped', message];
      const hint = acquisition.kind === 'refused' && acquisition.reason === 'credentials' ? explain401() : '';
      return [fail, 'k8s-lease-lock: not acquired', message + hint];
    }
    case 'deadlock':
      return [fail, 'k8s-lease-lock: not acquired', outcome.message];
    case 'unsupervised':
    case 'not-started':
      return [fail, 'k8s-lease-lock: the command failed', outcome.message];
    default:
      return outcome satisfies never;
  }
}

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch (error) {
    throw new InputError(`working-directory: ${folder} cannot be entered (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** How the runner starts each of these shells, and what its script is called. */
const SHELLS: Record<string, { argv: readonly [string, ...string[]]; extension: string }> = {
  bash: { argv: ['bash', '--noprofile', '--norc', '-e', '-o', 'pipefail', '{0}'], extension: '.sh' },
  sh: { argv: ['sh', '-e', '{0}'], extension: '.sh' },
  python: { argv: ['python', '{0}'], extension: '.py' },
  pwsh: { argv: ['pwsh', '-command', '. "{0}"'], extension: '.ps1' },
  powershell: { argv: ['powershell', '-command', '. "{0}"'], extension: '.ps1' },
};

function writeScript(
  { run, shell }: { run: string; shell: string },
  env: NodeJS.ProcessEnv,
): { argv: readonly [string, ...string[]]; remove(): void } {
  const [file = 'bash', ...args] = shell.split(/\s+/).filter(Boolean);
  if (!shell.includes('{0}') && !SHELLS[shell])
    throw new InputError(
      `shell: invalid value "${shell}": use one of ${Object.keys(SHELLS).join(', ')}, or a command with {0} for the script`,
    );
  const { argv, extension } = SHELLS[shell] ?? { argv: [file, ...args] as const, extension: '' };
  const folder = mkdtempSync(join(tempFolder(env), 'k8s-lease-lock-run-'));
  const script = join(folder, `script${extension}`);
  writeFileSync(script, `${run}\n`);
  chmodSync(script, 0o700);
  const [program, ...rest] = argv;
  return {
    argv: [program, ...rest.map((argument) => argument.replaceAll('{0}', script))],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What a step of its own would have: not our inputs, nor what only actions get. */
function commandEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = /^(INPUT_|STATE_|ACTIONS_(?!ID_TOKEN_))/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}

/** In a container nobody tells a cancelled step: it is told here, as the runner would, and given the time that stopping its command takes. */
async function endStep({ timings }: Inputs): Promise<void> {
  const step = JSON.parse(getState('step')) as ProcessName;
  const clock = systemClock();
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (step.startedTicks === undefined || !isAlive(step)) return;
    process.kill(step.pid, signal);
    const until = later(clock.now(), timings.killBudgetMs + SPARE_MS);
    while (isAlive(step) && clock.now() < until) await waitUntil(clock, later(clock.now(), LOOK_MS));
  }
}

const SPARE_MS = 3000;
const LOOK_MS = 50;

/** The step was killed before it could leave. A lock under which its command may still be ending is left to expire. */
export async function leaveAfterRun(inputs: Inputs, env: NodeJS.ProcessEnv): Promise<void> {
  if (getState('done') !== '') return;
  await endStep(inputs);
  const identity = { id: getState('holder'), nonce: getState('nonce') };
  const connected = await connect(inputs, identity, env);
  if (connected.kind === 'refused') return;
  await Promise.all(connected.participants.map((participant) => leaveLock(participant, identity)));
}

async function leaveLock(participant: Participant, identity: Identity): Promise<void> {
  const answer = await participant.client.read({ timeoutMs: participant.timings.requestTimeoutMs });
  const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
  if (parsed?.kind === 'state') {
    const { waiters, holders } = parsed.state;
    if (findMine(holders, identity))
      warn('k8s-lease-lock: not released', 'the step was killed while its command ran: the lock is free when it expires');
    else if (findMine(waiters, identity)) await release(participant, parsed.state);
  }
  participant.client.close();
}
