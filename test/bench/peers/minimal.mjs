/**
 * The least that a program on Node can do for a lock on a Lease: read it, write it, start the command, write it again, on one connection. No waiting, no
 * renewing, no release after a failure: what remains of a start is the price of the promises.
 *   node minimal.mjs SERVER TOKEN-FILE CA-FILE NAMESPACE LEASE COMMAND [ARGUMENT...]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

const [server = '', tokenFile = '', caFile = '', namespace, name, file = '', ...args] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, ca: readFileSync(caFile) });
const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
const url = `${server}/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;

async function send(method, body) {
  const sent = request(url, { agent, method, headers: { authorization, 'content-type': 'application/json' } });
  sent.end(body && JSON.stringify(body));
  const [response] = await once(sent, 'response');
  const chunks = await response.toArray();
  return { status: response.statusCode, lease: JSON.parse(Buffer.concat(chunks).toString()) };
}

const read = await send('GET');
const found = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec: {} };
const { lease } = await send('PUT', {
  ...(read.status === 404 ? found : read.lease),
  spec: { holderIdentity: String(process.pid) },
});
const [code] = await once(spawn(file, args, { stdio: 'inherit' }), 'close');
await send('PUT', { ...lease, spec: {} });
process.exit(code);
