/** What a kubeconfig names may change while a holder goes on: tokens, certificates, the file itself. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { findCluster } from '../../src/api/find-cluster.ts';
import { connect } from '../../src/api/http.ts';
import { systemClock } from '../../src/clock.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import type { Received } from '../harness/recorder.ts';
import { base64, type TwoClients, twoClients } from '../harness/two-clients.ts';

/** A client that goes on, of this kubeconfig; each call is one request. */
async function going(t: TestContext, clients: TwoClients, user: object): Promise<() => Promise<Received>> {
  const { at, certificates, write } = clients;
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(certificates.authority.certificate) };
  const kubeconfig = write('kubeconfig', kubeconfigText({ cluster, user }));
  const found = await findCluster({ kubeconfig, env: { PATH: process.env.PATH } });
  if (found.kind === 'refused') throw new Error(found.message);
  const connection = connect(found.cluster, systemClock(), 'test/1');
  t.after(() => connection.close());
  return async () => {
    const reply = await connection.send({ method: 'GET', path: '/', timeoutMs: 20_000 });
    if (reply.kind === 'broken') throw new Error(reply.message);
    return JSON.parse(reply.body);
  };
}

test('a token file that is replaced counts from the next request on; while it is away or empty, what it said last', async (t) => {
  const clients = await twoClients(t);
  clients.write('token', 'first\n');
  const ask = await going(t, clients, { tokenFile: 'token' });
  assert.equal((await ask()).authorization, 'Bearer first');
  clients.write('token', 'second\n');
  assert.equal((await ask()).authorization, 'Bearer second');
  clients.write('token', '');
  assert.equal((await ask()).authorization, 'Bearer second');
  rmSync(`${clients.folder}/token`);
  assert.equal((await ask()).authorization, 'Bearer second');
});

test('a client certificate that is replaced counts once its key belongs to it', async (t) => {
  const clients = await twoClients(t);
  const { alice, bob } = clients.certificates;
  clients.write('own.crt', alice.certificate);
  clients.write('own.key', alice.key);
  const ask = await going(t, clients, { 'client-certificate': 'own.crt', 'client-key': 'own.key' });
  assert.equal((await ask()).certificate, 'alice');
  clients.write('own.crt', bob.certificate);
  assert.equal((await ask()).certificate, 'alice');
  clients.write('own.key', bob.key);
  assert.equal((await ask()).certificate, 'bob');
});

test('after a 401 the kubeconfig is read again; if it has gone or is broken, what it said last counts', async (t) => {
  const { write, folder } = await twoClients(t);
  const given = (as: string) =>
    write('kubeconfig', kubeconfigText({ cluster: { server: 'https://api.lock.test' }, user: { as } }));
  const kubeconfig = given('alice');
  const found = await findCluster({ kubeconfig, env: {} });
  if (found.kind === 'refused') throw new Error(found.message);
  const request = { clock: systemClock(), signal: new AbortController().signal };
  const asked = async (refused: boolean) => {
    const last = await found.cluster.credentials(request);
    return (await found.cluster.credentials({ ...request, ...(refused && { refused: last }) })).headers['Impersonate-User'];
  };
  given('bob');
  assert.equal(await asked(false), 'alice');
  assert.equal(await asked(true), 'bob');
  write('kubeconfig', '[');
  assert.equal(await asked(true), 'bob');
  rmSync(`${folder}/kubeconfig`);
  assert.equal(await asked(true), 'bob');
});
