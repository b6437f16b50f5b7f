/** What the Action says where an API server does not answer, or does not allow what it asks for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { ACTION, assertTidy, lab, onlyError } from './lab.ts';

test('an API server that is not there: told while it is tried, and one error once the time is over', async (t) => {
  const given = { name: 'deploy', server: 'https://127.0.0.1:1', token: 'word', timeout: '500ms' };
  for (const more of [{}, { run: 'echo never' }, { mode: 'acquire', holder: 'x', 'lease-duration': '1h' }]) {
    const job = await runJob(t, [{ uses: ACTION, with: { ...given, ...more } }]);
    assert.equal(job.conclusion, 'failure');
    assert.match(onlyError(job), /no answer from the API server https:\/\/127\.0\.0\.1:1.*refused/);
    assert.doesNotMatch(job.text, /never/);
    assertTidy(job);
  }
});

real('without a right the error names it, and what to allow', async (t) => {
  const { lock } = await lab('rights', ['get']);
  for (const given of [{}, { run: 'echo never' }, { mode: 'acquire', holder: 'x', 'lease-duration': '1h' }]) {
    const job = await runJob(t, [lock(given), { run: 'echo never' }]);
    assert.equal(job.conclusion, 'failure');
    assert.match(onlyError(job), /403: .*cannot (create|update) resource "leases".*[Aa]llow get, watch, create and update/);
    assert.doesNotMatch(job.text, /never/);
    assertTidy(job);
  }
});

real('a token that the API server does not know, and a namespace that does not exist', async (t) => {
  const { lock, cluster } = await lab();
  const unknown = 'not-a-token-of-this-cluster';
  for (const given of [{}, { run: 'echo never' }, { mode: 'release', holder: 'x' }, { mode: 'check', holder: 'x' }]) {
    const job = startJob(t, [lock({ ...given, token: unknown })]);
    const result = await job.finished;
    assert.match(onlyError(result), /401: the API server does not accept the credentials/);
    assert.deepEqual(job.places(unknown), []);
  }
  const nowhere = await runJob(t, [lock({ namespace: 'nowhere', token: cluster.adminToken })]);
  assert.match(onlyError(nowhere), /the namespace "nowhere" does not exist: create it/);
});
