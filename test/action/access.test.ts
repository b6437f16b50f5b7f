/** How the Action finds its cluster and what it may do there; what it says where it can not; and that its secrets stay secret. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultProxy } from '../harness/fault-proxy.ts';
import { real } from '../harness/real.ts';
import { type Inputs, type Job, runJob, type Step, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { ACTION, assertTidy, gate, type Lab, lab, onlyError, ran } from './lab.ts';

/** As `kubectl config view --raw` prints it. */
function kubeconfigOf({ cluster, token, namespace }: Lab, more: { user?: string; server?: string } = {}): string {
  return `apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
    server: ${more.server ?? cluster.url}
    certificate-authority-data: ${Buffer.from(cluster.ca).toString('base64')}
users:
- name: test
  user:
    ${more.user ?? `token: ${token}`}
contexts:
- name: test
  context:
    cluster: test
    user: test
    namespace: ${namespace}
- name: broken
  context:
    cluster: nowhere
    user: test
`;
}

function jsonOf({ cluster, token, namespace }: Lab): string {
  const context = { cluster: 'test', user: 'test', namespace };
  return JSON.stringify({
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: cluster.url, 'certificate-authority': cluster.caFile } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context }],
  });
}

/** A job that takes the lock with these inputs, and looks at it. */
async function takes(
  t: Parameters<typeof startJob>[0],
  at: Lab,
  given: Inputs,
  { before, env }: { before?: (job: Job) => void; env?: Record<string, string> } = {},
) {
  const seen: string[] = [];
  const step: Step = { uses: ACTION, with: { name: 'deploy', ...given } };
  const job = startJob(t, [(running) => before?.(running), step, async () => seen.push(await at.holder())], {
    ...(env && { env }),
  });
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.match(seen[0] ?? '', /^gha\//);
  assert.equal(await at.holder(), '');
  assert.deepEqual(
    job.places(at.token).filter((place) => !place.endsWith('kubeconfig')),
    [],
  );
  assertTidy(result);
  return { result, job };
}

real(
  'a kubeconfig as text, in base64, in base64 with lines, as JSON, as a path: its namespace counts, its token is masked',
  async (t) => {
    const at = await lab();
    const text = kubeconfigOf(at);
    const base64 = Buffer.from(text).toString('base64');
    // `base64` breaks lines, and an echo into a secret ends it with one.
    const forms = [text, base64, base64.replace(/(.{76})/g, '$1\n'), `${base64}\n`, jsonOf(at)];
    for (const kubeconfig of forms) {
      const { job } = await takes(t, at, { kubeconfig });
      assert.ok(job.masks.has(at.token));
      assert.deepEqual(job.places(base64), []);
    }
    await takes(
      t,
      at,
      { kubeconfig: 'kubeconfig' },
      { before: ({ workspace }) => writeFileSync(join(workspace, 'kubeconfig'), text) },
    );
  },
);

real('KUBECONFIG and ~/.kube/config are found where nothing is given', async (t) => {
  const at = await lab();
  const write = (folder: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'kubeconfig'), kubeconfigOf(at));
    return join(folder, 'kubeconfig');
  };
  await takes(t, at, {}, { before: ({ temp }) => void write(temp), env: { KUBECONFIG: '../temp/kubeconfig' } });
  const seen: string[] = [];
  const home: Step = { run: 'mkdir -p ~/.kube && cp "$RUNNER_TEMP/kubeconfig" ~/.kube/config' };
  const job = await runJob(t, [
    ({ temp }) => void write(temp),
    home,
    { uses: ACTION, with: { name: 'deploy' } },
    async () => seen.push(await at.holder()),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.match(seen[0] ?? '', /^gha\//);
});

real('the kubeconfig, the login and its environment may be gone before the lock is given back', async (t) => {
  const at = await lab();
  let job = await runJob(t, [
    ({ workspace }) => writeFileSync(join(workspace, 'kubeconfig'), kubeconfigOf(at)),
    { uses: ACTION, with: { name: 'deploy', kubeconfig: 'kubeconfig' } },
    ({ workspace }) => rmSync(join(workspace, 'kubeconfig')),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await at.holder(), '');
  assert.deepEqual(job.annotations, []);
  // As a login action's post does, which comes before ours if it logged in after us; or a step that leaves a secret empty from then on.
  let token = at.token;
  job = await runJob(t, [
    { uses: ACTION, with: () => at.inputs({ token }) },
    () => {
      token = '';
    },
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await at.holder(), '');
});

real(
  'a kubeconfig that is written by a later step than pre is found; one that never is fails by one error that quotes nothing',
  async (t) => {
    const at = await lab();
    const job = await runJob(t, [{ uses: ACTION, with: { name: 'deploy', kubeconfig: 'c2VjcmV0LXRoYXQtd2FzLWN1dA' } }]);
    const message = onlyError(job);
    assert.match(message, /^kubeconfig: neither a kubeconfig, nor one in base64, nor a file that can be read \(ENOENT\)/);
    assert.doesNotMatch(job.text, /c2VjcmV0/);
    const broken = await runJob(t, [{ uses: ACTION, with: { name: 'deploy', kubeconfig: kubeconfigOf(at), context: 'broken' } }]);
    assert.match(onlyError(broken), /the context "broken" names a cluster that it does not have/);
    const other = await runJob(t, [{ uses: ACTION, with: { name: 'deploy', kubeconfig: kubeconfigOf(at), context: 'other' } }]);
    assert.match(onlyError(other), /it has no context "other" \(it has: test, broken\)/);
    for (const text of ['clusters: [', 'clusters: 7\nusers: 3\n', `token: ${at.token}\nclusters:\n- nonsense`]) {
      const bad = startJob(t, [{ uses: ACTION, with: { name: 'deploy', kubeconfig: text } }]);
      onlyError(await bad.finished);
      assert.deepEqual(bad.places(at.token), []);
    }
  },
);

real('an exec plugin of a kubeconfig is run, with the environment of the job', async (t) => {
  const at = await lab();
  const script = `#!/bin/sh
[ "$CLOUD_PROFILE" = deployer ] || exit 3
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "'"$(cat "$TOKEN_FILE")"'"}}'
`;
  const user = 'exec: {apiVersion: client.authentication.k8s.io/v1, command: ./credential, interactiveMode: Never}';
  const before = ({ workspace }: Job) => {
    writeFileSync(join(workspace, 'credential'), script, { mode: 0o755 });
    writeFileSync(join(workspace, 'token-kubeconfig'), at.token); // a name that `takes` lets keep the token
  };
  await takes(
    t,
    at,
    { kubeconfig: kubeconfigOf(at, { user }) },
    { before, env: { CLOUD_PROFILE: 'deployer', TOKEN_FILE: 'token-kubeconfig' } },
  );
});

test('no cluster at all: the error says where one was looked for', async (t) => {
  for (const given of [{}, { run: 'echo never' }, { mode: 'release', holder: 'x' }, { mode: 'check', holder: 'x' }]) {
    const job = await runJob(t, [{ uses: ACTION, with: { name: 'deploy', ...given } }]);
    assert.equal(job.conclusion, 'failure');
    assert.match(onlyError(job), /no cluster: KUBECONFIG is not set, there is no ~\/\.kube\/config, and this is not a Pod/);
    assert.doesNotMatch(job.text, /never/);
    assertTidy(job);
  }
});

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
  const kubeconfig = (cluster: object) =>
    JSON.stringify({
      'current-context': 'x',
      clusters: [{ name: 'x', cluster }],
      users: [{ name: 'x', user: { token: 'word-word-word' } }],
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    });
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
