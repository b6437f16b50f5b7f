/** How the Action finds its cluster by a kubeconfig, in whatever form it is given, and what it says where it finds none. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { real } from '../harness/real.ts';
import { type Inputs, type Job, runJob, type Step, startJob } from '../harness/runner/index.ts';
import { jsonOf, kubeconfigOf } from './kubeconfigs.ts';
import { ACTION, assertTidy, type Lab, lab, onlyError } from './lab.ts';

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
    assert.match(onlyError(broken), /the context "broken" names the cluster "nowhere", which it does not have/);
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
