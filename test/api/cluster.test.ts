/** How a cluster is found: by options, kubeconfigs, and the files of a Pod; and how a participant is named there. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import type { Cluster, ClusterOptions } from '../../src/api/cluster.ts';
import { findCluster } from '../../src/api/find-cluster.ts';
import { serverUrl } from '../../src/api/server-url.ts';
import { systemClock } from '../../src/clock.ts';
import { newIdentity } from '../../src/lock/identity.ts';
import { tempFolder } from '../harness/guards.ts';

const [authority = ''] = rootCertificates;
const request = { clock: systemClock(), signal: new AbortController().signal };

async function found(options: ClusterOptions): Promise<Cluster> {
  const result = await findCluster(options);
  if (result.kind === 'refused') throw new Error(result.message);
  return result.cluster;
}

async function refusal(options: ClusterOptions): Promise<string> {
  const result = await findCluster(options);
  return result.kind === 'refused' ? result.message : `found ${result.cluster.server}`;
}

const config = (server: string, more: object = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: { token: 'secret' } }],
    ...more,
  });

function files(t: TestContext, contents: Record<string, string>): (name: string) => string {
  const folder = tempFolder(t);
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return (name) => join(folder, name);
}

test('what is asked for comes first, then KUBECONFIG, then ~/.kube/config, then the Pod', async (t) => {
  const at = files(t, {
    flag: config('https://flag'),
    variable: config('https://variable'),
    'home/.kube/config': config('https://home'),
    'pod/token': 'pod-token\n',
    'pod/ca.crt': authority,
    'pod/namespace': 'pods\n',
  });
  const podFiles = at('pod');
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };
  const home = { ...pod, HOME: at('home') };
  const variable = { ...home, KUBECONFIG: at('variable') };
  assert.equal((await found({ server: 'https://named:1/', env: variable, podFiles })).server, 'https://named:1');
  assert.equal((await found({ kubeconfig: at('flag'), env: variable, podFiles })).server, 'https://flag');
  assert.equal((await found({ env: variable, podFiles })).server, 'https://variable');
  assert.equal((await found({ env: home, podFiles })).server, 'https://home');
  const inPod = await found({ env: pod, podFiles });
  assert.deepEqual([inPod.server, inPod.namespace], ['https://10.0.0.1:6443', 'pods']);
  assert.equal((await found({ env: { ...pod, POD_NAMESPACE: 'named' }, podFiles })).namespace, 'named');
  assert.deepEqual(await inPod.credentials(request), {
    headers: { authorization: 'Bearer pod-token' },
    tls: { ca: authority, rejectUnauthorized: true },
    proxy: undefined,
  });
});

test('an IPv6 service address is written in brackets', async (t) => {
  const podFiles = files(t, { 'pod/token': 'x', 'pod/ca.crt': authority })('pod');
  assert.equal((await found({ env: { KUBERNETES_SERVICE_HOST: 'fd00::1' }, podFiles })).server, 'https://[fd00::1]:443');
});

test('a token is read again for each request, and what was read last serves while it can not be', async (t) => {
  const at = files(t, { token: 'first' });
  const { credentials } = await found({ server: 'https://x', tokenFile: at('token'), env: {} });
  const token = async () => (await credentials(request)).headers.authorization;
  assert.equal(await token(), 'Bearer first');
  writeFileSync(at('token'), 'second');
  assert.equal(await token(), 'Bearer second');
  rmSync(at('token'));
  assert.equal(await token(), 'Bearer second');
});

test('every refusal says what is wrong and what to do', async (t) => {
  const at = files(t, {
    empty: '',
    nonsense: '{ not yaml: [',
    'no-context': config('https://x', { 'current-context': 'other' }),
    'no-current': config('https://x', { 'current-context': '' }),
    'no-cluster': config('https://x', { clusters: [] }),
    'bad-server': config('not a url'),
  });
  const cases: [ClusterOptions, RegExp][] = [
    [{ env: {} }, /no cluster: .*Name a kubeconfig or a server/],
    [{ server: 'ftp://x', env: {} }, /invalid URL "ftp:\/\/x" of an API server: write it as https:\/\/host:port/],
    [{ server: 'https://x', context: 'y', env: {} }, /a server cannot be combined with a kubeconfig or a context/],
    [{ tokenFile: '/x', env: {} }, /requires a server/],
    [{ context: 'x', env: {} }, /there is no kubeconfig to find the context "x" in/],
    [{ kubeconfig: at('missing'), env: {} }, /kubeconfig \S+missing: no such file/],
    [{ kubeconfig: at('empty'), env: {} }, /no cluster: kubeconfig \S+empty: it has no contexts, and this is not a Pod/],
    [{ kubeconfig: at('nonsense'), env: {} }, /kubeconfig \S+nonsense: /],
    [{ kubeconfig: at('no-context'), env: {} }, /it has no context "other" \(it has: x\)/],
    [{ kubeconfig: at('no-current'), env: {} }, /no current context is set: set one/],
    [{ kubeconfig: at('no-cluster'), env: {} }, /names the cluster "c", which it does not have: add it under clusters/],
    [{ kubeconfig: at('bad-server'), env: {} }, /no usable server URL \("not a url"\)/],
    [
      { env: { KUBERNETES_SERVICE_HOST: 'h' }, podFiles: files(t, { 'pod/token': 'x' })('pod') },
      /can't read the cluster's CA .*: mount the whole volume of the service account/,
    ],
    [
      { env: { KUBERNETES_SERVICE_HOST: 'h' }, podFiles: at('nowhere') },
      /this Pod has no service account token; set automountServiceAccountToken: true/,
    ],
  ];
  for (const [options, expected] of cases) assert.match(await refusal(options), expected);
});

test('basic credentials, a cluster without a user, TLS that is switched off, and another server name', async (t) => {
  const at = files(t, {
    basic: config('https://x', { users: [{ name: 'u', user: { username: 'me', password: 'pass' } }] }),
    anonymous: config('https://x', {
      contexts: [{ name: 'x', context: { cluster: 'c' } }],
      clusters: [
        { name: 'c', cluster: { server: 'https://x', 'certificate-authority-data': Buffer.from(authority).toString('base64') } },
      ],
    }),
    insecure: config('https://x', {
      clusters: [{ name: 'c', cluster: { server: 'https://x', 'insecure-skip-tls-verify': true, 'tls-server-name': 'named' } }],
    }),
  });
  const credentials = async (name: string) => await (await found({ kubeconfig: at(name), env: {} })).credentials(request);
  assert.equal((await credentials('basic')).headers.authorization, `Basic ${Buffer.from('me:pass').toString('base64')}`);
  const anonymous = await credentials('anonymous');
  assert.deepEqual([anonymous.headers, String(anonymous.tls.ca), anonymous.tls.rejectUnauthorized], [{}, authority, true]);
  const { tls } = await credentials('insecure');
  assert.deepEqual([tls.rejectUnauthorized, tls.servername], [false, 'named']);
});

test('of several files whoever names a thing first has named it, as with kubectl', async (t) => {
  const folder = tempFolder(t);
  const name = fc.constantFrom<string>('a', 'b', 'c');
  const one = fc.record({
    clusters: fc.uniqueArray(name),
    contexts: fc.uniqueArray(name),
    current: fc.option(name, { nil: '' }),
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 3 }), async (given) => {
      runs += 1;
      const paths = given.map(({ clusters, contexts, current }, i) => {
        const path = join(folder, `${runs}-${i}`);
        const content = {
          'current-context': current,
          contexts: contexts.map((each) => ({ name: each, context: { cluster: each, user: 'u' } })),
          clusters: clusters.map((each) => ({ name: each, cluster: { server: `https://${each}-${i}` } })),
          users: [{ name: 'u', user: { token: `t${i}` } }],
        };
        writeFileSync(path, JSON.stringify(content));
        return path;
      });
      const current = given.find((each) => each.current !== '')?.current;
      const context = given.some(({ contexts }) => contexts.includes(current ?? ''));
      const owner = given.findIndex(({ clusters }) => clusters.includes(current ?? ''));
      const result = await findCluster({ env: { KUBECONFIG: paths.join(':') } });
      if (current === undefined || !context || owner < 0) return assert.equal(result.kind, 'refused');
      assert.equal(result.kind === 'cluster' && result.cluster.server, `https://${current}-${owner}`);
      assert.equal(result.kind === 'cluster' && (await result.cluster.credentials(request)).headers.authorization, 'Bearer t0');
    }),
    { numRuns: 60 },
  );
});

test('whatever stands in a kubeconfig, the answer is a cluster or a sentence', async (t) => {
  const path = join(tempFolder(t), 'kubeconfig');
  const part = fc.array(
    fc.oneof(
      fc.jsonValue(),
      fc.record({ name: fc.constant('x'), context: fc.jsonValue(), cluster: fc.jsonValue(), user: fc.jsonValue() }),
    ),
  );
  const whole = fc.record(
    { 'current-context': fc.oneof(fc.constant('x'), fc.jsonValue()), contexts: part, clusters: part, users: part },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        whole.map((value) => JSON.stringify(value)),
      ),
      async (text) => {
        writeFileSync(path, text);
        const result = await findCluster({ kubeconfig: path, env: {} });
        if (result.kind === 'refused') assert.match(result.message, /^(?:no cluster: )?kubeconfig /);
      },
    ),
  );
});

test('the URL of a server loses its last slashes, and nothing else', () => {
  assert.equal(serverUrl('https://h:1/k8s/clusters/c-1/'), 'https://h:1/k8s/clusters/c-1');
  for (const text of ['', 'h:1', 'https://', 'ftp://h', '//h']) assert.equal(serverUrl(text), undefined, text);
  fc.assert(fc.property(fc.webUrl(), (url) => !serverUrl(url)?.endsWith('/')));
});

test('an id says who it is: the Pod that the token claims, the prefix that was given, or the host', () => {
  const claims = { 'kubernetes.io': { namespace: 'ci', pod: { name: 'run-17', uid: 'u-1' } } };
  const token = `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
  const id = (prefix: string | undefined, of: string | undefined) => newIdentity({ prefix, token: of, host: 'a b/c%' }).id;
  assert.match(id(undefined, token), /^pod\/ci\/run-17\/u-1\/[a-z0-9]{10}$/);
  assert.match(id('mine', token), /^mine\/[a-z0-9]{10}$/);
  for (const other of [undefined, 'opaque', 'a.b.c', `x.${Buffer.from('{}').toString('base64url')}.y`])
    assert.match(id(undefined, other), /^user\/a%20b%2Fc%25\/[a-z0-9]{10}$/);
});

test('in a Pod, kubeconfigs that name no cluster lead to the Pod, and what was named in vain is told', async (t) => {
  const at = files(t, { empty: '', comments: '# nothing\n', 'pod/token': 'x', 'pod/ca.crt': authority, 'home/.kube/config': '' });
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', HOME: at('nowhere') };
  const by = async (env: Record<string, string>, more: Partial<ClusterOptions> = {}) => {
    const told: string[] = [];
    const { server } = await found({ ...more, env: { ...pod, ...env }, podFiles: at('pod'), tell: (line) => told.push(line) });
    return [server, ...told.map((line) => line.replaceAll(`${at('')}/`, ''))];
  };
  const inPod = 'https://10.0.0.1:443';
  const using = 'using the Pod that this runs in';
  assert.deepEqual(await by({}), [inPod]);
  assert.deepEqual(await by({ HOME: at('home') }), [inPod]);
  assert.deepEqual(await by({ KUBECONFIG: '' }), [inPod]);
  assert.deepEqual(await by({ KUBECONFIG: at('gone') }), [inPod, `KUBECONFIG names no file that exists (gone): ${using}`]);
  const named = `kubeconfig empty, comments: it has no contexts: ${using}`;
  assert.deepEqual(await by({ KUBECONFIG: `${at('empty')}:${at('comments')}` }), [inPod, named]);
  assert.deepEqual(await by({}, { kubeconfigText: '' }), [inPod, `the kubeconfig given: it has no contexts: ${using}`]);
  assert.match(await refusal({ kubeconfig: at('gone'), env: pod, podFiles: at('pod') }), /gone: no such file/);
});
