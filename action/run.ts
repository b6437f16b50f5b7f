/** `run`: a command under the guard itself, in this step. The tight guarantee: it is stopped before the lock can pass to another. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getState, saveState } from '@actions/core';
import { later, systemClock, waitUntil } from '../src/clock.ts';
import { EXIT } from '../src/guard/exit-codes.ts';
import { guard } from '../src/guard/guard.ts';
import type { LockEvent } from '../src/lock/events.ts';
import { withdraw } from '../src/lock/release.ts';
import { type Log, logTo } from '../src/log.ts';
import { parseLease } from '../src/protocol/document.ts';
import { visit } from './connect.ts';
import { entry, identityOf, tempFolder } from './github-context.ts';
import { InputError, type Inputs } from './inputs.ts';
import { isAlive, nameOf, type ProcessName } from './job-state.ts';
import { fail, note, type Outcome, setOutputs, summarise, warn, wordsFor } from './report.ts';

const STDOUT = 1;
/** On a code of its own, to tell it from the command's. */
const BUSY = 200;
/** Of the ten seconds that a cancelled step has: what is left is for SIGKILL, and for giving the lock back. */
const CANCEL_MS = 3000;

export async function runUnderLock(inputs: Inputs & { run: string }): Promise<void> {
  const identity = identityOf(inputs);
  saveState('holder', identity.id);
  saveState('nonce', identity.nonce);
  saveState('step', nameOf(process.pid));
  const visited = await visit(inputs, identity);
  if (visited.kind === 'refused') return fail('k8s-lease-lock: not acquired', visited.message);
  const { participant, namespace, clock, explain401 } = visited;
  if (inputs.workingDirectory !== undefined) enter(inputs.workingDirectory);
  const script = writeScript(inputs);
  let outcome: Outcome = { name: inputs.name, namespace, holder: identity.id, waitedMs: 0, position: 0, heldBy: [] };
  let acquired = false;
  let lost = '';
  const listen = (event: LockEvent) => {
    // A policy may have wanted another id; what cleans up after this step has to know.
    const { id } = participant.me;
    if (id !== outcome.holder) saveState('holder', id);
    outcome = { ...outcome, holder: id };
    if (event.type === 'waiting') outcome = { ...outcome, position: event.position, heldBy: event.heldBy.map(wordsFor) };
    if (event.type === 'lost') lost = event.reason;
    if (event.type !== 'acquired') return;
    const { waitedMs, token, transitions } = event;
    acquired = true;
    outcome = { ...outcome, waitedMs, token, transitions, position: 0 };
    setOutputs(true, outcome);
  };
  const startedAt = clock.now();
  const { log, last } = remembering(logTo({ clock, format: 'text', level: 'info', fd: STDOUT }));
  try {
    const code = await guard({
      participant,
      argv: script.argv,
      env: commandEnvironment(),
      timeoutMs: inputs.timeoutMs,
      onBusy: inputs.onBusy === 'skip' ? 'fail' : inputs.onBusy,
      onLost: inputs.onLost === 'warn' ? 'warn' : 'stop',
      orphans: 'stop',
      conflictExitCode: BUSY,
      endWithinMs: CANCEL_MS,
      // Always: a cancelled step is killed without its children.
      watchdog: [process.execPath, entry('watchdog')],
      terminal: false,
      descriptors: [],
      log,
      listen,
    });
    await log.flush();
    const heldMs = acquired ? clock.now() - startedAt - outcome.waitedMs : undefined;
    if (!acquired) {
      outcome = { ...outcome, waitedMs: clock.now() - startedAt };
      setOutputs(false, outcome);
    }
    await summarise(outcome, heldMs, acquired ? `command ended with ${code}` : 'not acquired');
    if (lost && inputs.onLost === 'warn') warn('k8s-lease-lock: lost', `${lost}; the command went on without the lock`);
    conclude(code, { acquired, skip: inputs.onBusy === 'skip', said: last() + (code === EXIT.refused.code ? explain401() : '') });
  } finally {
    script.remove();
    participant.client.close();
    saveState('done', 'true');
  }
}

function conclude(code: number, { acquired, skip, said }: { acquired: boolean; skip: boolean; said: string }): void {
  if (code === 0) return;
  if (!acquired && code === BUSY && skip) note('k8s-lease-lock: skipped', said);
  else if (!acquired) fail('k8s-lease-lock: not acquired', said);
  else if (code === EXIT.lost.code && /lost/.test(said)) fail('k8s-lease-lock: lost', said);
  else fail('k8s-lease-lock: the command failed', `it ended with exit code ${code}`);
}

/** The last error, or the last line: what an annotation says. */
function remembering(log: Log): { log: Log; last(): string } {
  let error = '';
  const say = (...[level, message, fields]: Parameters<Log>) => {
    if (level === 'error') error = message;
    log(level, message, fields);
  };
  return { log: Object.assign(say, { flush: log.flush }), last: () => error };
}

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch (error) {
    throw new InputError(`working-directory: ${folder} can't be entered (${(error as NodeJS.ErrnoException).code})`);
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

function writeScript({ run, shell }: { run: string; shell: string }): { argv: readonly [string, ...string[]]; remove(): void } {
  const [file = 'bash', ...args] = shell.split(/\s+/).filter(Boolean);
  if (!shell.includes('{0}') && !SHELLS[shell])
    throw new InputError(
      `shell: it is "${shell}": write one of ${Object.keys(SHELLS).join(', ')}, or a command with {0} for the script`,
    );
  const { argv, extension } = SHELLS[shell] ?? { argv: [file, ...args] as const, extension: '' };
  const folder = mkdtempSync(join(tempFolder(), 'k8s-lease-lock-run-'));
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
function commandEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(INPUT_|STATE_|ACTIONS_(?!ID_TOKEN_))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
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
export async function leaveAfterRun(inputs: Inputs): Promise<void> {
  if (getState('done') !== '') return;
  await endStep(inputs);
  const identity = { id: getState('holder'), nonce: getState('nonce') };
  const visited = await visit(inputs, identity);
  if (visited.kind === 'refused') return;
  const { participant } = visited;
  const answer = await participant.client.read({ timeoutMs: inputs.timings.requestTimeoutMs });
  const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
  if (parsed?.kind === 'state') {
    const { waiters, holders } = parsed.state;
    const isMe = (entry: { id: string; nonce: string }) => entry.id === identity.id && entry.nonce === identity.nonce;
    if (holders.some(isMe))
      warn('k8s-lease-lock: not released', 'the step was killed while its command ran: the lock is free when it expires');
    else if (waiters.some(isMe)) await withdraw(participant, parsed.state);
  }
  participant.client.close();
}
