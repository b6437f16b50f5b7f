/** What the runner's environment says of the job in whose name the lock is taken: who it is, why, and where to look. */
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { escaped } from '../src/lock/identity.ts';
import { type Identity, newIdentity, sharedIdentity } from '../src/lock/index.ts';
import type { About } from '../src/protocol/lock-state.ts';
import type { Inputs } from './inputs.ts';

/**
 * Unique for each attempt of a job, legs of a matrix included. Where several jobs share the lock, it is the holder that they agree on and
 * nothing else.
 */
export function identityOf({ mode, holder }: Inputs, env: NodeJS.ProcessEnv): Identity {
  if (mode !== 'hold' && holder !== undefined) return sharedIdentity(holder);
  const identity = newIdentity({ prefix: holder ?? jobOf(env), token: undefined, host: '' });
  return { ...identity, derived: holder === undefined };
}

function jobOf(env: NodeJS.ProcessEnv): string {
  const parts = [env.GITHUB_REPOSITORY, env.GITHUB_RUN_ID, env.GITHUB_RUN_ATTEMPT, env.GITHUB_JOB];
  return ['gha', ...parts.map((part) => escaped(part ?? ''))].join('/').slice(0, 180);
}

export function aboutOf({ reason }: Inputs, env: NodeJS.ProcessEnv): { [field in keyof About]: string | undefined } {
  const { GITHUB_ACTOR, GITHUB_WORKFLOW, GITHUB_JOB, RUNNER_NAME } = env;
  return {
    who: GITHUB_ACTOR,
    reason: reason ?? `${GITHUB_WORKFLOW ?? 'workflow'}: ${GITHUB_JOB ?? 'job'}`,
    url: runUrl(env),
    host: RUNNER_NAME,
  };
}

function runUrl(env: NodeJS.ProcessEnv): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT } = env;
  if (!GITHUB_SERVER_URL || !GITHUB_REPOSITORY || !GITHUB_RUN_ID) return undefined;
  const attempt = GITHUB_RUN_ATTEMPT && GITHUB_RUN_ATTEMPT !== '1' ? `/attempts/${GITHUB_RUN_ATTEMPT}` : '';
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}${attempt}`;
}

/** What is left in it ends with the job. */
export function tempFolder(env: NodeJS.ProcessEnv): string {
  return env.RUNNER_TEMP || tmpdir();
}

const beside = (file: string): string => join(dirname(process.argv[1] ?? ''), file);

/** Another process of the Action. */
export const keeperScript = (): string => beside('keeper.js');

export const supervisorFolder = (): string => beside('supervisor');
