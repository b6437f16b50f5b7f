/** Secrets of the Action stay secret: in what is printed, in files, in arguments, and in environments. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { faultProxy } from '../harness/fault-proxy.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { real } from '../harness/real.ts';
import { type Step, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { kubeconfigOf } from './kubeconfigs.ts';
import { ACTION, gate, lab, onlyError, ran } from './lab.ts';

real('no secret is printed, or stands in a file, in arguments or in an environment that outlives its phase', async (t) => {
  const at = await lab();
  const { lock, token, holder } = at;
  const kept: string[] = [];
  const GITHUB_TOKEN = 'ghs_0123456789abcdefghij';
  const secrets = [token, GITHUB_TOKEN, Buffer.from(kubeconfigOf(at)).toString('base64')];
  const look: Step = (job) => {
    assert.equal(job.processes().length, 1, 'the keeper');
    kept.push(...secrets.flatMap((secret) => job.places(secret)));
  };
  const steps: Step[][] = [
    [lock({ 'github-token': GITHUB_TOKEN, 'on-lost': 'cancel' }), look],
    [{ uses: ACTION, with: { name: 'deploy', kubeconfig: secrets[2] ?? '' } }, look],
    [lock({ 'acquire-in': 'pre' }), look],
    [lock({ run: 'echo deploying' })],
    [lock({ mode: 'acquire', holder: 'x', 'lease-duration': '1h' }), lock({ mode: 'release', holder: 'x' })],
  ];
  for (const each of steps) {
    const job = startJob(t, each, { env: { RUNNER_DEBUG: '1' } });
    const result = await job.finished;
    assert.equal(result.conclusion, 'success', result.text);
    kept.push(...secrets.flatMap((secret) => job.places(secret)));
    assert.ok(job.masks.has(token));
    // Masked before anything else is said by a phase that has it.
    for (const phase of result.steps.flatMap(({ main, post }) => [main, post]))
      if (phase?.text) assert.match(phase.text, /^(::debug::[^\n]*\n)*::add-mask::/);
    assert.equal(await holder(), '');
  }
  assert.deepEqual(kept, []);
});

real('a token that is renewed by a later phase is not what the keeper uses: it has its own from the beginning', async (t) => {
  const at = await lab();
  const proxy = await faultProxy(at.cluster);
  t.after(() => proxy.close());
  const end = gate(t);
  const tokens = new Set<string>();
  proxy.set(({ token }) => {
    tokens.add(token);
    return async ({ asked, forward, stream, response }) => {
      if (asked.verb === 'watch') return stream();
      const { status, text } = await forward();
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
  });
  const job = startJob(t, [
    at.lock({ server: proxy.url, 'certificate-authority-data': '', 'lease-duration': '4s' }),
    () => end.opened,
  ]);
  await until(() => proxy.writes.length >= 3, 'renewals');
  end.open();
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.deepEqual([...tokens], [at.token]);
  assert.match(ran(result.steps[0]?.post).text, /released Lease/);
});

test('a password in a URL, of the API server or of a proxy, is no more printed than any other', async (t) => {
  const password = 'hunter2-hunter2';
  const kubeconfig = (cluster: object) => kubeconfigText({ cluster, user: { token: 'word-word-word' } });
  const server = `https://admin:${password}@127.0.0.1:1`;
  for (const given of [
    { server, token: 'word-word-word' },
    { kubeconfig: kubeconfig({ server }) },
    { kubeconfig: kubeconfig({ server: 'https://127.0.0.1:1', 'proxy-url': `http://admin:${password}@127.0.0.1:1` }) },
  ]) {
    const job = startJob(t, [{ uses: ACTION, with: { name: 'deploy', timeout: '300ms', ...given } }]);
    const result = await job.finished;
    assert.equal(result.conclusion, 'failure');
    onlyError(result);
    assert.deepEqual(job.places(password), []);
  }
});

real('the key of a client certificate is masked', async (t) => {
  const at = await lab();
  const { certificate, key } = at.cluster.clientCertificate;
  const [crt, pem] = [certificate, key].map((file) => readFileSync(file).toString('base64')) as [string, string];
  const user = `client-certificate-data: ${crt}\n    client-key-data: ${pem}`;
  const kubeconfig = kubeconfigOf(at, { user });
  const job = startJob(t, [
    { uses: ACTION, with: { name: 'deploy', kubeconfig } },
    async () => assert.match(await at.holder(), /^gha/),
  ]);
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.ok(job.masks.has(pem));
  assert.deepEqual(job.places(pem), []);
});

real('secrets of a kubeconfig are masked as YAML means them, and what is too short to be one hides no words', async (t) => {
  const at = await lab();
  const user = `token: >-\n        ${at.token}`;
  const other =
    '- {name: other, user: {username: u, password: x}}\n- {name: last, user: {"client-key-data":\n  "a2V5IG9mIGxhc3Q="}}\n';
  const kubeconfig = kubeconfigOf(at, { user }).trimEnd().concat(`\n${other}`);
  const job = startJob(t, [
    { uses: ACTION, with: { name: 'deploy', kubeconfig: Buffer.from(kubeconfig).toString('base64') } },
    async () => assert.match(await at.holder(), /^gha/),
  ]);
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.deepEqual(
    [at.token, 'a2V5IG9mIGxhc3Q=', 'x', '>-'].map((text) => job.masks.has(text)),
    [true, true, false, false],
  );
  assert.deepEqual(job.places(at.token), []);
});
