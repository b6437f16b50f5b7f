/**
 * The Action's inputs as typed values, all of them checked before anything is done. Every complaint is one sentence that names the input.
 * action.yml says what they mean, and their defaults.
 */
import { readFileSync } from 'node:fs';
import { durationOf } from '../src/durations.ts';
import { describeTimings } from '../src/lock/describe.ts';
import { ON_BUSY, type OnBusy, timeoutOf } from '../src/lock/index.ts';
import { FORCES } from '../src/lock/unlock.ts';
import { type LockName, problemOfHolder, problemOfMark, problemOfNamespace } from '../src/names.ts';
import { PERMITS_LIMIT, PRIORITY_LIMIT } from '../src/protocol/lock-state.ts';
import type { Policies } from '../src/protocol/me.ts';
import { DEFAULT_GROUP, MIN_HOLD_LIMIT_MS, problemOfAgeStep, problemOfShare, shareOf } from '../src/protocol/policies.ts';
import { DEFAULT_LEASE_DURATION, timings as deriveTimings, type Timings } from '../src/protocol/timings.ts';
import { type Given, givenIn, InputError, type Phase, type Rule } from './given-inputs.ts';
import { locksIn } from './lock-names.ts';

export interface Inputs {
  /** Held together, all or none; as names are valid and due, there is one at least. */
  locks: readonly LockName[];
  namespace: string | undefined;
  mode: 'hold' | 'acquire' | 'release' | 'check';
  run: string | undefined;
  shell: string;
  workingDirectory: string | undefined;
  timeoutMs: number;
  onBusy: OnBusy;
  policies: Policies;
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
  force: (typeof FORCES)[number] | undefined;
  acquireIn: 'main' | 'pre';
  onLost: 'fail' | 'cancel' | 'warn';
  githubToken: string | undefined;
  access: Access;
}

/** Where the cluster is, and what opens it. All undefined: what is found on the runner. */
export interface Access {
  kubeconfig: string | undefined;
  kubeconfigText: string | undefined;
  context: string | undefined;
  server: string | undefined;
  certificateAuthorityData: string | undefined;
  token: string | undefined;
  oidcAudience: string | undefined;
}

/** What stopping the command of `run` takes at most: GitHub itself gives a cancelled step ten seconds, a lock should not use them all. */
const KILL_GRACE_MS = 5000;
const DEFAULT_DURATION_MS = durationOf(DEFAULT_LEASE_DURATION);
/** A job that waits costs its runner: it must not wait indefinitely. */
const DEFAULT_TIMEOUT_MS = 3_600_000;
/** How long a holder that is asked to release the lock has for stopping. */
const UNLOCK_TIMEOUT_MS = 120_000;

/**
 * In `pre` an input may still be incomplete, or name a file that a step has yet to write, and in `post` the file may be gone: then only what is there is
 * checked. What needs the lock reads them as in `main`.
 */
export function readInputs(phase: Phase, env: NodeJS.ProcessEnv): Inputs {
  const due = phase === 'main';
  const given = givenIn(phase);
  const { text, valid, choice, duration, integer } = given;
  const onBusy = choice('on-busy', ON_BUSY);
  const mode = choice('mode', ['hold', 'acquire', 'release', 'check']);
  const run = text('run');
  const holder = valid('holder', HOLDER);
  const durationMs = duration('lease-duration', DEFAULT_LEASE_DURATION) ?? DEFAULT_DURATION_MS;
  const onLost = choice('on-lost', ['fail', 'cancel', 'warn']);
  const acquireIn = choice('acquire-in', ['main', 'pre']);
  const githubToken = text('github-token');
  const force = text('force') === undefined ? undefined : choice('force', FORCES);
  const locks = locksIn(given, due);
  if ((mode === 'acquire' || mode === 'release') && holder === undefined && due)
    throw new InputError(`holder: required by mode ${mode}: a name that both jobs know, such as the run's id`);
  if (mode === 'acquire' && text('lease-duration') === undefined && due)
    throw new InputError(
      'lease-duration: required by mode acquire: the lock is not renewed between jobs, so it must outlast them',
    );
  if (mode !== 'hold' && run !== undefined) throw new InputError(`run: cannot be combined with mode ${mode}: use mode hold`);
  if (locks.length > 1 && mode !== 'hold')
    throw new InputError(`name: several locks require mode hold: mode ${mode} is for one lock, so give it a step for each`);
  if (force !== undefined && mode !== 'release')
    throw new InputError('force: requires mode release: it clears the holder of a lock');
  if (acquireIn === 'pre' && (mode !== 'hold' || run !== undefined))
    throw new InputError('acquire-in: pre requires mode hold, without run: the lock is then held for the whole job');
  if (onLost === 'cancel' && githubToken === undefined && due)
    throw new InputError('github-token: required by on-lost cancel, with permission actions: write, such as github.token');
  return {
    locks,
    namespace: valid('namespace', NAMESPACE),
    mode,
    run,
    shell: text('shell') ?? 'bash',
    workingDirectory: text('working-directory'),
    timeoutMs: timeoutOf(duration('timeout'), onBusy) ?? (mode === 'release' ? UNLOCK_TIMEOUT_MS : DEFAULT_TIMEOUT_MS),
    onBusy,
    policies: readPolicies(given, onBusy),
    priority: integer('priority', { from: -PRIORITY_LIMIT, to: PRIORITY_LIMIT }) ?? 0,
    timings: readTimings(given, durationMs, run),
    holder,
    reason: text('reason'),
    force,
    acquireIn,
    onLost,
    githubToken,
    access: readAccess(given, due, env),
  };
}

const GROUP: Rule = { problemOf: (group) => problemOfMark(group, 'group'), characters: /[!-~]/ };
const KEY: Rule = { problemOf: (key) => problemOfMark(key, 'key'), characters: /[!-~]/ };

function readPolicies({ text, valid, flag, duration, integer }: Given, onBusy: OnBusy): Policies {
  const replaces = onBusy === 'replace';
  const minHoldMs = duration('min-hold', '0');
  const once = valid('once', KEY);
  if (replaces && duration('timeout') === 0)
    throw new InputError('timeout: 0 cannot be combined with on-busy replace, which waits until the holder has stopped');
  if ((minHoldMs ?? 0) > MIN_HOLD_LIMIT_MS) throw new InputError('min-hold: too long: use at most 24h');
  if (once !== undefined && text('run') === undefined)
    throw new InputError('once: requires run: only then it is known whether the work has succeeded');
  const most = { from: 1, to: PERMITS_LIMIT };
  const wish = { shared: flag('shared'), permits: integer('permits', most), weight: integer('weight', most) };
  const ageStepMs = duration('age-step', '0') ?? 0;
  const misfit = problemOfShare(wish, replaces, (option) => option) ?? problemOfAgeStep(ageStepMs, 'age-step:');
  if (misfit !== undefined) throw new InputError(misfit);
  return {
    ...shareOf(wish),
    ageStepMs,
    group: valid('supersede', GROUP) ?? (replaces ? DEFAULT_GROUP : undefined),
    replaces,
    declines: flag('no-replace'),
    minHoldMs,
    once,
  };
}

const NAMESPACE: Rule = { problemOf: problemOfNamespace, characters: /[-a-z0-9]/ };
const HOLDER: Rule = { problemOf: problemOfHolder, characters: /[!-~]/ };

function readTimings({ unlessIncomplete }: Given, durationMs: number, run: string | undefined): Timings {
  const graceMs = run === undefined ? 0 : Math.min(KILL_GRACE_MS, durationMs / 6);
  return unlessIncomplete(() => timingsOf(durationMs, graceMs)) ?? timingsOf(DEFAULT_DURATION_MS, graceMs);
}

function timingsOf(durationMs: number, graceMs: number): Timings {
  const result = deriveTimings(durationMs, graceMs);
  if (result.kind === 'timings') return result.timings;
  const names = { duration: 'lease duration', grace: 'stopping it', shorterGrace: undefined, stopping: 'stopping the command' };
  throw new InputError(`lease-duration: ${describeTimings(result, names)}`);
}

function readAccess({ text, unlessIncomplete }: Given, due: boolean, env: NodeJS.ProcessEnv): Access {
  const server = text('server');
  const token = text('token');
  const oidcAudience = text('oidc-audience');
  const kubeconfig = text('kubeconfig');
  const context = text('context');
  const pem = text('certificate-authority-data');
  if (server === undefined) {
    const useless = Object.entries({ token, 'oidc-audience': oidcAudience, 'certificate-authority-data': pem });
    for (const [name, value] of useless)
      if (value !== undefined && due) throw new InputError(`${name}: requires server: name the API server as well`);
  } else if (kubeconfig !== undefined || context !== undefined) {
    throw new InputError('server: cannot be combined with kubeconfig or context: use one of them');
  } else if (token === undefined && oidcAudience === undefined && due) {
    throw new InputError(`token: empty, and so is oidc-audience: server requires one of them${forkHint(env)}`);
  } else if (token !== undefined && oidcAudience !== undefined) {
    throw new InputError('token: cannot be combined with oidc-audience: use one of them');
  }
  if (oidcAudience !== undefined && due && !env.ACTIONS_ID_TOKEN_REQUEST_URL)
    throw new InputError('oidc-audience: the job cannot request an OIDC token: give it the permission id-token: write');
  return {
    ...readKubeconfig(kubeconfig, due),
    context,
    server,
    certificateAuthorityData: unlessIncomplete(() => readPem(pem)),
    token,
    oidcAudience,
  };
}

/** Text, base64 of a text, or a path: only the last has neither lines nor the words of a kubeconfig. */
function readKubeconfig(given: string | undefined, due: boolean): Pick<Access, 'kubeconfig' | 'kubeconfigText'> {
  if (given === undefined) return { kubeconfig: undefined, kubeconfigText: undefined };
  // What base64 prints has lines, too. A path could be read as base64, but never as that of a kubeconfig.
  const decoded = /^[A-Za-z0-9+/=\s]+$/.test(given) ? Buffer.from(given, 'base64').toString() : '';
  if (/clusters/.test(decoded)) return { kubeconfig: undefined, kubeconfigText: decoded };
  if (given.includes('\n') || /^\s*[{]/.test(given)) return { kubeconfig: undefined, kubeconfigText: given };
  try {
    if (due) readFileSync(given);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Not quoted: it may be a secret that was cut off.
    throw new InputError(
      `kubeconfig: neither a kubeconfig, nor one in base64, nor a file that can be read (${code}); ` +
        'a step that writes it must come before this one, which is not possible with acquire-in pre',
    );
  }
  return { kubeconfig: given, kubeconfigText: undefined };
}

function readPem(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const pem = given.includes('-----BEGIN') ? given : Buffer.from(given, 'base64').toString();
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new InputError('certificate-authority-data: no certificate in it: use PEM, or PEM in base64 as in a kubeconfig');
  return pem;
}

/** Why a secret may be empty. */
export function forkHint(env: NodeJS.ProcessEnv): string {
  if (isFork(env))
    return '. This pull request comes from a fork, and GitHub passes no secrets to it: do not lock there, or use pull_request_target with care';
  return '. If it comes from a secret: is the secret defined for this repository and environment?';
}

function isFork(env: NodeJS.ProcessEnv): boolean {
  try {
    const event = JSON.parse(readFileSync(env.GITHUB_EVENT_PATH ?? '', 'utf8')) as ForkEvent;
    return event.pull_request?.head?.repo?.fork === true;
  } catch {
    return false; // No event, or another runner's.
  }
}

interface ForkEvent {
  pull_request?: { head?: { repo?: { fork?: boolean } } };
}
