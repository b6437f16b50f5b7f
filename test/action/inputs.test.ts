/** What is wrong or missing in the inputs: one annotation that names it, before any request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { real } from '../harness/real.ts';
import { runJob } from '../harness/runner/index.ts';
import { ACTION, assertTidy, lab, onlyError } from './lab.ts';

// Nothing listens there: whoever asked would say so.
const NOWHERE = { name: 'x', server: 'https://127.0.0.1:1', token: 'word' };

test('wrong inputs fail in pre, by one annotation that names the input, before any step or request', async (t) => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ name: 'Deploy Lock' }, /^name: invalid name "Deploy Lock" for a Lease: .*, such as "deploy-lock", or set slug to true/],
    [{ mode: 'hodl' }, /^mode: invalid value "hodl": use one of hold, acquire, release, check/],
    [{ timeout: 'soon' }, /^timeout: "soon" is not a duration/],
    [{ priority: 'high' }, /^priority: invalid value "high": use a whole number/],
    [{ 'on-busy': 'cry' }, /^on-busy: /],
    [{ mode: 'check', run: 'true' }, /^run: cannot be combined with mode check/],
    [{ 'acquire-in': 'pre', run: 'true' }, /^acquire-in: /],
    [{ context: 'a' }, /^server: cannot be combined/],
    [{ 'oidc-audience': 'a' }, /^token: cannot be combined/],
  ];
  for (const [given, expected] of wrong) {
    const job = await runJob(t, [{ run: 'echo never' }, { uses: ACTION, with: { ...NOWHERE, ...given } }]);
    assert.equal(job.conclusion, 'failure', String(expected));
    assert.match(onlyError(job), expected);
    assert.equal(job.steps[1]?.pre?.code, 1, `pre: ${expected}`);
    assert.doesNotMatch(job.text, /never|127\.0\.0\.1/, 'no step, no request');
    assertTidy(job);
  }
});

test('what is empty or incomplete may be filled by a step that comes before: main misses it, by one annotation, before any request', async (t) => {
  const missing: [Record<string, string>, RegExp][] = [
    [{ name: '' }, /^name: required/],
    // `deploy-${{ steps.x.outputs.env }}`, and others of that kind, in which the step has left a gap.
    [{ name: 'deploy-' }, /^name: invalid name "deploy-" for a Lease: .*, such as "deploy"/],
    [{ namespace: 'team-' }, /^namespace: invalid namespace "team-"/],
    [{ timeout: 'm' }, /^timeout: "m" is not a duration/],
    [{ timeout: '5' }, /^timeout: "5" has no unit: write 5s or 5m/],
    [{ priority: '-' }, /^priority: invalid value "-"/],
    [{ mode: 'ld' }, /^mode: invalid value "ld"/],
    [{ 'lease-duration': '1s' }, /^lease-duration: /],
    [{ 'certificate-authority-data': 'bm9uZQ==' }, /^certificate-authority-data: no certificate in it/],
    [{ server: '' }, /^token: requires server/],
    [{ mode: 'acquire' }, /^holder: required by mode acquire/],
    [{ mode: 'acquire', holder: 'me' }, /^lease-duration: required by mode acquire/],
    [{ mode: 'release' }, /^holder: required by mode release/],
    [{ 'on-lost': 'cancel' }, /^github-token: required by on-lost cancel/],
    [{ token: '' }, /^token: empty, and so is oidc-audience.*is the secret defined/],
    [{ token: '', 'oidc-audience': 'a' }, /^oidc-audience: .*id-token: write/],
  ];
  for (const [given, expected] of missing) {
    const job = await runJob(t, [{ run: 'echo first' }, { uses: ACTION, with: { ...NOWHERE, ...given } }, { run: 'echo never' }]);
    assert.equal(job.conclusion, 'failure', String(expected));
    assert.match(onlyError(job), expected);
    assert.equal(job.steps[1]?.main?.code, 1, `main: ${expected}`);
    assert.match(job.text, /first/);
    assert.doesNotMatch(job.text, /never|127\.0\.0\.1/, 'no request');
    assertTidy(job);
  }
});

real('inputs that only a step knows are read when it has run', async (t) => {
  const { inputs, holder } = await lab();
  let token = '';
  const job = await runJob(t, [
    () => {
      token = inputs().token ?? '';
    },
    { uses: ACTION, with: () => inputs({ token }) },
    async () => assert.match(await holder(), /^gha\//),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

real('post needs nothing but what main had: a composite action shows it the inputs of another', async (t) => {
  const { inputs, holder } = await lab();
  for (const given of [{}, { 'acquire-in': 'pre' }]) {
    let phases = 0;
    const others = { name: 'My Service', mode: 'prod', timeout: 'soon' };
    const ours = () => inputs(given);
    const job = await runJob(t, [
      { uses: ACTION, with: () => (phases++ < 2 ? ours() : others) },
      async () => assert.match(await holder(), /^gha\//),
    ]);
    assert.equal(job.conclusion, 'success', job.text);
    assert.equal(phases, 3);
    assert.equal(await holder(), '', job.text);
    assert.doesNotMatch(job.text, /invalid input/);
  }
});

test('an empty token of a pull request from a fork is told as what it is', async (t) => {
  const inputs = { name: 'x', server: 'https://127.0.0.1:1', token: '' };
  const event = { pull_request: { head: { repo: { fork: true } } } };
  const job = await runJob(t, [{ uses: ACTION, with: inputs }], { event });
  assert.match(onlyError(job), /comes from a fork, and GitHub passes no secrets to it/);
});
