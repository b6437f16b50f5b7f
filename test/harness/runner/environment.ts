/** The environment that a runner gives to every phase of a job. Nothing of whoever runs the tests is in it but the PATH. */
import { randomBytes } from 'node:crypto';
import { delimiter, dirname, join } from 'node:path';
import type { Folders, JobOptions } from './types.ts';

export function environmentFor(
  {
    env,
    repository = 'acme/api',
    runId,
    attempt = '1',
    name = 'deploy',
    actor = 'alice',
    apiUrl = 'http://127.0.0.1:1',
  }: JobOptions,
  place: Folders & { tracking: string },
): Record<string, string> & { PATH: string } {
  return {
    PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
    HOME: join(place.folder, 'home'),
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: actor,
    GITHUB_API_URL: apiUrl,
    GITHUB_EVENT_NAME: 'push',
    GITHUB_EVENT_PATH: join(place.files, 'event.json'),
    GITHUB_JOB: name,
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REPOSITORY: repository,
    GITHUB_REPOSITORY_OWNER: repository.split('/')[0] ?? '',
    GITHUB_RUN_ATTEMPT: attempt,
    GITHUB_RUN_ID: runId ?? String(Number.parseInt(randomBytes(4).toString('hex'), 16)),
    GITHUB_SERVER_URL: 'https://github.test',
    GITHUB_WORKFLOW: 'Deploy',
    GITHUB_WORKSPACE: place.workspace,
    RUNNER_NAME: 'runner-1',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: place.temp,
    RUNNER_TRACKING_ID: place.tracking,
    ...env,
  };
}
