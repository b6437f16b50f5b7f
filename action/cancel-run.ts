/** Cancels the workflow run that this job is part of, by GitHub's REST API. A failure is logged, and the job then fails at its end. */
import type { Log } from '../src/log.ts';

const TIMEOUT_MS = 10_000;
const ATTEMPTS = 3;

export async function cancelRun(token: string, log: Log, env: NodeJS.ProcessEnv): Promise<void> {
  const { GITHUB_API_URL = 'https://api.github.com', GITHUB_REPOSITORY, GITHUB_RUN_ID } = env;
  const url = `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}/cancel`;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const problem = await post(url, token);
    if (problem === undefined) return log('info', 'cancelled the run');
    log('error', `the run could not be cancelled (attempt ${attempt} of ${ATTEMPTS}): ${problem}`);
  }
}

async function post(url: string, token: string): Promise<string | undefined> {
  try {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' };
    const { ok, status } = await fetch(url, { method: 'POST', headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    // 409: it is being cancelled already.
    if (ok || status === 409) return undefined;
    return status === 403 ? '403: github-token needs the permission actions: write' : `GitHub answered ${status}`;
  } catch (error) {
    return (error as Error).message;
  }
}
