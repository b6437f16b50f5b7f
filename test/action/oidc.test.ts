/** Without any secret: tokens of GitHub's OIDC issuer, here one of the test's own, for an API server that trusts it. */
import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { type Issuer, startIssuer } from '../harness/oidc.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { missing, real } from '../harness/real.ts';
import { type Inputs, type JobOptions, runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { ACTION, assertTidy, gate, onlyError } from './lab.ts';

const issuer = await startIssuer();
// A cluster of this file's own: an issuer is named when the API server starts.
const started = missing ? undefined : await startCluster({ authenticationConfig: issuer.authenticationConfig() });
after(async () => {
  await started?.stop();
  await issuer.close();
});

async function lab(): Promise<{
  cluster: OwnCluster;
  namespace: string;
  inputs(more?: Inputs): Inputs;
  holder(): Promise<string>;
}> {
  if (!started) throw new Error('no cluster');
  issuer.set({});
  const namespace = await started.namespace('oidc');
  const to = [{ kind: 'User' as const, name: 'gha:acme/api' }];
  await grant(started, { namespace, name: 'deployer', verbs: SUFFICIENT, lock: 'deploy', to });
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`;
  return {
    cluster: started,
    namespace,
    inputs: (more = {}) => ({
      name: 'deploy',
      namespace,
      server: started.url,
      'certificate-authority-data': started.ca,
      'oidc-audience': 'k8s-lease-lock',
      ...more,
    }),
    async holder() {
      const { status, body } = await started.request('GET', path);
      return status === 200 ? (body.spec.holderIdentity ?? '') : '';
    },
  };
}

const permitted: JobOptions = { env: { ...issuer.env } };
const since = (before: number): Issuer['issued'] => issuer.issued.slice(before);

real('a lock is held with rights for the user gha:acme/api, in every mode; no token is printed or left', async (t) => {
  const { inputs, holder } = await lab();
  const before = issuer.issued.length;
  const seen: string[] = [];
  const shared = { holder: 'acme/api/77' };
  const job = startJob(
    t,
    [
      { uses: ACTION, with: inputs() },
      async (running) => {
        seen.push(await holder());
        assert.deepEqual(
          since(before).flatMap(({ token }) => running.places(token)),
          [],
        );
      },
    ],
    permitted,
  );
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.match(seen[0] ?? '', /^gha\/acme%2Fapi\//);
  assert.equal(await holder(), '');
  assert.deepEqual(
    since(before).flatMap(({ token }) => job.places(token)),
    [],
  );
  assert.deepEqual([...new Set(issuer.issued.map(({ audience }) => audience))], ['k8s-lease-lock']);
  assertTidy(result);
  for (const more of [
    { run: 'echo deploying' },
    { ...shared, mode: 'acquire', 'lease-duration': '1h' },
    { ...shared, mode: 'check' },
    { ...shared, mode: 'release' },
  ]) {
    const each = await runJob(t, [{ uses: ACTION, with: inputs(more) }], permitted);
    assert.equal(each.conclusion, 'success', each.text);
  }
  assert.equal(await holder(), '');
});

real('a token is replaced before it expires, and the lock is held on', async (t) => {
  const { cluster, inputs, holder } = await lab();
  const proxy = await faultProxy(cluster);
  t.after(() => proxy.close());
  const late: string[] = [];
  const used = new Set<string>();
  proxy.set(({ token, verb }) => {
    used.add(token);
    const { exp = 0 } = issuer.issued.find((each) => each.token === token) ?? {};
    if (Date.now() / 1000 > exp) late.push(verb);
    return async ({ asked, forward, stream, response }) => {
      if (asked.verb === 'watch') return stream();
      const { status, text } = await forward();
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
  });
  issuer.set({ lifeSeconds: 5 });
  const end = gate(t);
  const given = inputs({ server: proxy.url, 'certificate-authority-data': '', 'lease-duration': '2s' });
  const job = startJob(
    t,
    [{ uses: ACTION, with: given }, () => end.opened, { uses: ACTION, with: { ...given, mode: 'check' } }],
    permitted,
  );
  await job.prints(/acquired Lease/);
  const first = await holder();
  await until(() => used.size >= 4, 'four tokens in use');
  assert.equal(await holder(), first);
  end.open();
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.deepEqual(late, [], 'requests with a token that had expired');
  assert.equal(await holder(), '');
});

async function refused(t: TestContext, given: Inputs): Promise<string> {
  const job = startJob(t, [{ uses: ACTION, with: given }, { run: 'echo never' }], permitted);
  const result = await job.finished;
  assert.equal(result.conclusion, 'failure');
  assert.doesNotMatch(result.text, /never/);
  assert.deepEqual(
    issuer.issued.flatMap(({ token }) => job.places(token)),
    [],
  );
  return onlyError(result);
}

real('a token that the API server refuses: the error puts its claims beside what can be wrong', async (t) => {
  const { inputs } = await lab();
  const { url } = issuer;
  for (const more of [{}, { run: 'echo never' }, { mode: 'check', holder: 'x' }, { mode: 'release', holder: 'x' }]) {
    issuer.set({});
    const audience = await refused(t, inputs({ ...more, 'oidc-audience': 'wrong-audience' }));
    assert.match(audience, /401: .*audience wrong-audience \(oidc-audience\)/);
    assert.ok(audience.includes(`issuer ${url}`), audience);
    assert.match(audience, /owner acme, subject repo:acme\/api:ref:refs\/heads\/main, expiry 20\d\d-/);
  }
  issuer.set({ claims: { repository_owner: 'evil', sub: 'repo:evil/api:ref:refs/heads/main' } });
  assert.match(await refused(t, inputs()), /401: .*owner evil, subject repo:evil\/api/);
  issuer.set({ claims: { iss: 'https://elsewhere.test' } });
  assert.match(await refused(t, inputs()), /401: .*issuer https:\/\/elsewhere\.test/);
  issuer.set({ lifeSeconds: -3600 });
  const expired = await refused(t, inputs());
  const [, expiry = ''] = /expiry (\S+)/.exec(expired) ?? [];
  assert.ok(Date.parse(expiry) < Date.now(), expired);
});

real('a right that the user has not is told by the name that the API server knows', async (t) => {
  const { inputs } = await lab();
  issuer.set({ claims: { repository: 'acme/web' } });
  assert.match(await refused(t, inputs()), /403: .*User "gha:acme\/web" cannot get resource "leases"/);
});

real('no token to be had: one error that says so', async (t) => {
  const { inputs } = await lab();
  issuer.set({ status: 403 });
  const message = await refused(t, inputs({ timeout: '3s' }));
  assert.match(message, /OIDC|ID Token|token/i);
  assert.match(message, /403|no token for you/);
  issuer.set({});
  const job = await runJob(t, [{ uses: ACTION, with: inputs() }]);
  assert.match(onlyError(job), /^oidc-audience: .*id-token: write/);
});
