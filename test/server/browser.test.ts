/** The embedded server has no users: a web page in somebody's browser must not get in. kubectl proxy refuses the same. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { startLeaseServer } from '../../src/server/server.ts';

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/team/leases';

test('a page of another origin, and a name that leads here, are refused; kubectl and curl are not', async (t) => {
  const server = await startLeaseServer();
  t.after(() => server.close());
  const answerTo = (headers: Record<string, string>, method = 'GET') =>
    new Promise<number | undefined>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: server.port, path: LEASES, method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on('error', reject);
      asked.end();
    });
  const here = `127.0.0.1:${server.port}`;
  assert.equal(await answerTo({ host: here }), 200);
  assert.equal(await answerTo({ host: `localhost:${server.port}` }), 200);
  assert.equal(await answerTo({ host: `[::1]:${server.port}` }), 200);
  assert.equal(await answerTo({ host: `attacker.example:${server.port}` }), 403);
  assert.equal(await answerTo({ host: here, origin: 'https://attacker.example' }), 403);
  assert.equal(await answerTo({ host: here, origin: 'null' }, 'POST'), 403);
});
