/**
 * The Action's inputs as typed values, all of them checked before anything is done. Every complaint is one sentence that names the input.
 * action.yml says what they mean, and their defaults.
 */
import { readFileSync } from 'node:fs';
import { getInput } from '@actions/core';
import { problemOfHolder, problemOfName, problemOfNamespace } from '../src/names.ts';
import { parseDuration, type Timings, timings } from '../src/protocol/timings.ts';

export interface Inputs {
  name: string;
  namespace: string | undefined;
  mode: 'hold' | 'acquire' | 'release' | 'check';
  run: string | undefined;
  shell: string;
  workingDirectory: string | undefined;
  timeoutMs: number;
  onBusy: 'wait' | 'fail' | 'skip';
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
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

/** A wrong input: the message says which, why, and what to write. */
export class InputError extends Error {}

/** What stopping the command of `run` takes at most: GitHub itself gives a cancelled step ten seconds, a lock should not use them all. */
const KILL_GRACE_MS = 5000;
const DEFAULT_DURATION_MS = 60_000;
/** A job that waits costs its runner: for ever is too long. */
const DEFAULT_TIMEOUT_MS = 3_600_000;

/**
 * `due`: they are needed now. In `pre` an input may still be empty, or name a file that a step has yet to write, and in `post` the file may be
 * gone: then only what is there is checked.
 */
export function readInputs(due: boolean): Inputs {
  const onBusy = choice('on-busy', ['wait', 'fail', 'skip']);
  const mode = choice('mode', ['hold', 'acquire', 'release', 'check']);
  const run = text('run');
  const holder = valid('holder', problemOfHolder);
  const durationMs = duration('lease-duration') ?? DEFAULT_DURATION_MS;
  const onLost = choice('on-lost', ['fail', 'cancel', 'warn']);
  const acquireIn = choice('acquire-in', ['main', 'pre']);
  const githubToken = text('github-token');
  const name = valid('name', problemOfName);
  if (name === undefined && due) throw new InputError('name: no lock is named: write the name of its Lease');
  if ((mode === 'acquire' || mode === 'release') && holder === undefined && due)
    throw new InputError(`holder: mode ${mode} needs one that both jobs know, such as the run's id`);
  if (mode === 'acquire' && text('lease-duration') === undefined && due)
    throw new InputError(
      'lease-duration: mode acquire needs one, since nothing renews the lock between jobs: how long do they take at most?',
    );
  if (mode !== 'hold' && run !== undefined) throw new InputError(`run: it needs mode hold, not ${mode}`);
  if (acquireIn === 'pre' && (mode !== 'hold' || run !== undefined))
    throw new InputError('acquire-in: pre is for a lock that is held for the whole job: mode hold, without run');
  if (onLost === 'cancel' && githubToken === undefined && due)
    throw new InputError('github-token: on-lost cancel needs one with permission actions: write, such as github.token');
  const derived = timings(durationMs, run === undefined ? 0 : Math.min(KILL_GRACE_MS, durationMs / 6));
  if (derived.kind === 'refused') throw new InputError(`lease-duration: ${derived.message}`);
  return {
    name: name ?? '',
    namespace: valid('namespace', problemOfNamespace),
    mode,
    run,
    shell: text('shell') ?? 'bash',
    workingDirectory: text('working-directory'),
    // Who does not want to wait tries once, unless a time to wait is given as well.
    timeoutMs: duration('timeout') ?? (onBusy === 'wait' ? DEFAULT_TIMEOUT_MS : 0),
    onBusy,
    priority: integer('priority', 1_000_000),
    timings: derived.timings,
    holder,
    reason: text('reason'),
    acquireIn,
    onLost,
    githubToken,
    access: readAccess(due),
  };
}

function readAccess(due: boolean): Access {
  const server = text('server');
  const token = text('token');
  const oidcAudience = text('oidc-audience');
  const kubeconfig = text('kubeconfig');
  const context = text('context');
  const pem = text('certificate-authority-data');
  if (server === undefined) {
    const useless = Object.entries({ token, 'oidc-audience': oidcAudience, 'certificate-authority-data': pem });
    for (const [name, value] of useless)
      if (value !== undefined) throw new InputError(`${name}: it says nothing without server: name the API server, too`);
  } else if (kubeconfig !== undefined || context !== undefined) {
    throw new InputError('server: it can not be combined with kubeconfig or context: give one of them');
  } else if (token === undefined && oidcAudience === undefined && due) {
    throw new InputError(`token: it is empty, and so is oidc-audience: server needs one of them${forkHint()}`);
  } else if (token !== undefined && oidcAudience !== undefined) {
    throw new InputError('token: it can not be combined with oidc-audience: give one of them');
  }
  if (oidcAudience !== undefined && due && !process.env.ACTIONS_ID_TOKEN_REQUEST_URL)
    throw new InputError('oidc-audience: the job may not ask for an OIDC token: give it the permission id-token: write');
  return { ...readKubeconfig(kubeconfig, due), context, server, certificateAuthorityData: readPem(pem), token, oidcAudience };
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
      `kubeconfig: it is neither the text of one, nor that in base64, nor a file that can be read (${code}); ` +
        'a step that writes one has to come before this one, and can not with acquire-in pre',
    );
  }
  return { kubeconfig: given, kubeconfigText: undefined };
}

function readPem(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const pem = given.includes('-----BEGIN') ? given : Buffer.from(given, 'base64').toString();
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new InputError('certificate-authority-data: it holds no certificate: write PEM, or PEM in base64 as in a kubeconfig');
  return pem;
}

/** For those who wonder where their secret has gone. */
export function forkHint(): string {
  if (isFork())
    return '. This pull request comes from a fork, and GitHub gives secrets to none: do not lock there, or use pull_request_target with care';
  return '. If it comes from a secret: is the secret defined for this repository and environment?';
}

function isFork(): boolean {
  try {
    const event = JSON.parse(readFileSync(process.env.GITHUB_EVENT_PATH ?? '', 'utf8')) as ForkEvent;
    return event.pull_request?.head?.repo?.fork === true;
  } catch {
    return false; // No event, or another runner's.
  }
}

interface ForkEvent {
  pull_request?: { head?: { repo?: { fork?: boolean } } };
}

function text(name: string): string | undefined {
  const given = getInput(name);
  return given === '' ? undefined : given;
}

function valid(name: string, problemOf: (given: string) => string | undefined): string | undefined {
  const given = text(name);
  const problem = given === undefined ? undefined : problemOf(given);
  if (problem !== undefined) throw new InputError(`${name}: ${problem}`);
  return given;
}

function choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
  const given = text(name) ?? choices[0];
  const found = choices.find((known) => known === given);
  if (found === undefined) throw new InputError(`${name}: it is "${given}": write one of ${choices.join(', ')}`);
  return found;
}

function duration(name: string): number | undefined {
  const given = text(name);
  if (given === undefined) return undefined;
  const parsed = parseDuration(given);
  if (parsed.kind === 'refused') throw new InputError(`${name}: ${parsed.message}`);
  return parsed.ms;
}

function integer(name: string, limit: number): number {
  const given = text(name) ?? '0';
  const number = /^-?\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
  if (!(Math.abs(number) <= limit))
    throw new InputError(`${name}: it is "${given}": write a whole number from ${-limit} to ${limit}`);
  return number;
}
