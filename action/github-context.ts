/** What the runner tells of the job in whose name the lock is taken: who we are, why, and where to look. */
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { escaped, type Identity, newIdentity, sharedIdentity } from '../src/lock/identity.ts';
import type { About } from '../src/protocol/document.ts';
import type { Inputs } from './inputs.ts';

/**
 * Unique for each attempt of a job, legs of a matrix included. Where several jobs share the lock, it is the holder that they agree on and
 * nothing else.
 */
export function identityOf({ mode, holder }: Inputs): Identity {
  if (mode !== 'hold' && holder !== undefined) return sharedIdentity(holder);
  const identity = newIdentity({ prefix: holder ?? jobOf(process.env), token: undefined, host: '' });
  return { ...identity, derived: holder === undefined };
}

function jobOf(env: NodeJS.ProcessEnv): string {
  const parts = [env.GITHUB_REPOSITORY, env.GITHUB_RUN_ID, env.GITHUB_RUN_ATTEMPT, env.GITHUB_JOB];
  return ['gha', ...parts.map((part) => escaped(part ?? ''))].join('/').slice(0, 180);
}

export function aboutOf({ reason }: Inputs): { [field in keyof About]: string | undefined } {
  const { GITHUB_ACTOR, GITHUB_WORKFLOW, GITHUB_JOB, RUNNER_NAME } = process.env;
  return {
    who: GITHUB_ACTOR,
    reason: reason ?? `${GITHUB_WORKFLOW ?? 'workflow'}: ${GITHUB_JOB ?? 'job'}`,
    url: runUrl(),
    host: RUNNER_NAME,
  };
}

function runUrl(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT } = process.env;
  if (!GITHUB_SERVER_URL || !GITHUB_REPOSITORY || !GITHUB_RUN_ID) return undefined;
  const attempt = GITHUB_RUN_ATTEMPT && GITHUB_RUN_ATTEMPT !== '1' ? `/attempts/${GITHUB_RUN_ATTEMPT}` : '';
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}${attempt}`;
}

/** What is left in it ends with the job. */
export function tempFolder(): string {
  return process.env.RUNNER_TEMP || tmpdir();
}

/** Another process of the Action: they lie beside the one that runs. */
export const entry = (name: 'keeper' | 'watchdog'): string => join(dirname(process.argv[1] ?? ''), `${name}.js`);
