/** The auth-provider `oidc`, whose issuer takes each refresh token once: ours and kubectl's library share one kubeconfig. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { findCluster } from '../../src/api/find-cluster.ts';
import { systemClock } from '../../src/clock.ts';
import { base64, incomparable, twoClients } from '../harness/two-clients.ts';

/** Takes a refresh token once, and gives another with each ID token. `life`: of ID tokens, in seconds. */
async function issuer(t: TestContext, life: number) {
  let refresh = 'refresh-1';
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const { port } = server.address() as AddressInfo;
    if (request.url?.endsWith('/.well-known/openid-configuration'))
      return response.end(
        JSON.stringify({ issuer: `http://127.0.0.1:${port}`, token_endpoint: `http://127.0.0.1:${port}/token` }),
      );
    let body = '';
    for await (const chunk of request) body += chunk;
    const given = new URLSearchParams(body).get('refresh_token') ?? '';
    asked.push(given);
    response.setHeader('content-type', 'application/json');
    if (given !== refresh) return response.writeHead(400).end('{"error": "invalid_grant", "error_description": "used already"}');
    refresh = `refresh-${asked.length + 1}`;
    return response.end(
      JSON.stringify({ id_token: idToken(life, asked.length), refresh_token: refresh, access_token: 'a', token_type: 'Bearer' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function idToken(life: number, count: number): string {
  const exp = Math.floor(Date.now() / 1000) + life;
  return `e30.${Buffer.from(JSON.stringify({ exp, count })).toString('base64url')}.x`;
}

async function shared(t: TestContext, { life, refresh }: { life: number; refresh: string }) {
  const { at, certificates, write, both, ours } = await twoClients(t);
  const { url, asked } = await issuer(t, life);
  const kubeconfig = write(
    'kubeconfig',
    `# mine
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "${at.urls.https}", certificate-authority-data: ${base64(certificates.authority.certificate)}}}]
users:
- name: u # me
  user:
    auth-provider:
      name: oidc
      config: {client-id: me, client-secret: secret, idp-issuer-url: "${url}", id-token: "${idToken(-60, 0)}", refresh-token: ${refresh}}
`,
  );
  return { kubeconfig, asked, both, ours, text: () => readFileSync(kubeconfig, 'utf8') };
}

test('a refresh token that is good once: it is written back for whoever comes next, kubectl included', {
  skip: incomparable,
}, async (t) => {
  const { kubeconfig, asked, both, ours, text } = await shared(t, { life: 0, refresh: 'refresh-1' });
  assert.equal((await ours({ kubeconfig })).kind, 'reached');
  assert.equal((await ours({ kubeconfig })).kind, 'reached');
  const { kubectl, ours: last } = await both({ kubeconfig });
  assert.deepEqual([kubectl.kind, last.kind], ['reached', 'reached']);
  assert.deepEqual(asked, ['refresh-1', 'refresh-2', 'refresh-3', 'refresh-4']);
  assert.match(text(), /refresh-token: refresh-5/);
  assert.ok(!existsSync(`${kubeconfig}.lock`));
});

test('one that goes on takes the tokens that another has got meanwhile', async (t) => {
  const { kubeconfig, asked, ours } = await shared(t, { life: 3600, refresh: 'refresh-1' });
  const alice = await findCluster({ kubeconfig, env: {} });
  assert.equal((await ours({ kubeconfig })).kind, 'reached');
  if (alice.kind === 'refused') throw new Error(alice.message);
  const { headers } = await alice.cluster.credentials({ clock: systemClock(), signal: new AbortController().signal });
  assert.match(String(headers.authorization), /^Bearer e30\./);
  assert.deepEqual(asked, ['refresh-1']);
});

test('what is not a token stays as it is written, and a token that is good is not refreshed', async (t) => {
  const { kubeconfig, asked, ours, text } = await shared(t, { life: 3600, refresh: 'refresh-1' });
  for (let i = 0; i < 3; i++) assert.equal((await ours({ kubeconfig })).kind, 'reached');
  assert.deepEqual(asked, ['refresh-1']);
  assert.match(text(), /^# mine\n[\s\S]*- name: u # me\n/);
});

test('a refresh token that is not accepted is told with the reason of the issuer', async (t) => {
  const { kubeconfig, ours } = await shared(t, { life: 3600, refresh: 'refresh-0' });
  const outcome = await ours({ kubeconfig });
  const message = outcome.kind === 'failed' ? outcome.message : outcome.kind;
  assert.match(message, /^oidc: http\S+\/token answered 400 \(invalid_grant: used already\): log in again$/);
});
