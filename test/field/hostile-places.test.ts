/** Text from others, where it comes out beside the words about a lock: what a shell is offered, what a manifest is answered, and what `serve` logs. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import { badServer, respond, status } from '../harness/bad-server.ts';
import { guard, tempFolder } from '../harness/guards.ts';
import { assertHarmless, SAMPLES } from './hostile.ts';

const ALL = SAMPLES.join('');

async function prints(t: TestContext, args: string[]) {
  const finished = await guard(t, args).finished;
  assertHarmless(args.slice(0, 3).join(' '), finished.stderr);
  return finished;
}

test('what completion offers', async (t) => {
  const now = new Date().toISOString().replace('Z', '000Z');
  const leaseOf = (text: string, name: string) => ({
    metadata: {
      name,
      namespace: 'team',
      resourceVersion: '1',
      uid: 'u',
      annotations: { 'waiter.lease-lock.nullplatform.com/000002-bob': JSON.stringify({ id: text, since: text }) },
    },
    spec: { holderIdentity: text, leaseDurationSeconds: 3600, renewTime: now },
  });
  for (const text of [...SAMPLES, ALL]) {
    const items = [leaseOf(text, 'lock'), leaseOf('alice', text), { metadata: { name: text } }, { metadata: { name: '-rf' } }];
    const { url } = await badServer(t, respond(200, { kind: 'LeaseList', metadata: { resourceVersion: '1' }, items }));
    const where = ['--server', url, '-n', 'team'];
    for (const line of [
      ['status', ...where, ''],
      ['unlock', 'lock', ...where, '--holder', ''],
      ['queue', 'lock', ...where, '--remove', ''],
      ['status', '--server', url, '-n', ''],
    ]) {
      const { stdout, stderr, code } = await prints(t, ['__complete', ...line]);
      assert.equal(code, 0, stderr);
      assertHarmless(`completion of ${line[0]}`, stdout.replaceAll('\t', ''));
      // A candidate, a tab and what it is about; a shell would take any other line for a candidate.
      for (const each of stdout.split('\n').slice(0, -2)) assert.match(each, /^[^\s:]\S*(\t[^\t]+)?$/, stdout);
    }
  }
});

test('what the manifests of others say, where they are guarded, and where they are refused', async (t) => {
  const folder = tempFolder(t);
  for (const text of SAMPLES) {
    const job = (annotations: object) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: text, namespace: text },
      spec: {
        template: {
          metadata: { annotations },
          spec: { restartPolicy: 'Never', containers: [{ name: text, image: text, command: ['sh', '-c', text] }] },
        },
      },
    });
    const guarded = { 'lease-lock.nullplatform.com/name': 'lock' };
    const manifests = {
      guarded: job(guarded),
      name: job({ 'lease-lock.nullplatform.com/name': text }),
      unknown: job({ ...guarded, [`lease-lock.nullplatform.com/${text}`]: text }),
      reason: job({ ...guarded, 'lease-lock.nullplatform.com/reason': text }),
      kind: { ...job(guarded), kind: text, apiVersion: text },
    };
    for (const [name, manifest] of Object.entries(manifests)) {
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, stringify(manifest));
      const { stdout, stderr } = await prints(t, ['inject', '-f', file]);
      assert.notEqual(stderr, '', name);
      for (const document of parseAllDocuments(stdout)) assert.equal(document.toJS()?.metadata?.name ?? text, text);
    }
    writeFileSync(join(folder, 'broken.yaml'), `a: [\n${text}`);
    await prints(t, ['inject', '-f', join(folder, 'broken.yaml')]);
  }
});

test('what an API server says to each command that asks it', async (t) => {
  const behaviours = [respond(403, status(403, ALL, { message: ALL })), respond(200, ALL), respond(404, ALL)];
  const asks = behaviours.map(async (behaviour) => {
    const { url } = await badServer(t, behaviour);
    const where = ['--server', url, '-n', 'team'];
    const lines = [
      ['list', ...where],
      ['acquire', '--name', 'lock', '--holder', 'alice', ...where, '--timeout', '0'],
      ['release', '--name', 'lock', '--holder', 'alice', ...where],
      ['hold', '--name', 'lock', ...where, '--timeout', '0'],
      ['unlock', 'lock', '--holder', 'alice', ...where],
      ['queue', 'lock', '--remove', 'alice', ...where],
    ];
    for (const line of lines) {
      const { stdout, stderr } = await prints(t, line);
      assertHarmless(line[0] as string, stdout);
      assert.notEqual(stdout + stderr, '', line[0]);
    }
  });
  await Promise.all(asks);
});

/** As no client would send it: byte for byte. Resolves with all that is answered. */
const send = (port: number, bytes: Buffer): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => resolve(answer)).on('close', () => resolve(answer));
  });

test('what is sent to serve', async (t) => {
  const server = guard(t, ['serve', '--port', '0', '--data', join(tempFolder(t), 'x\u001b[2J\u202e')]);
  await server.says(/serving Leases at/);
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(server.stderr)?.[1]);
  const leases = '/apis/coordination.k8s.io/v1/namespaces/team/leases';
  const request = (start: string, body = '', headers = '') =>
    Buffer.concat([
      Buffer.from(`${start} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n${headers}`, 'latin1'),
      Buffer.from(`content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`),
    ]);
  const header = (text: string) => encodeURIComponent(text.toWellFormed());
  for (const text of [...SAMPLES, ALL]) {
    const metadata = { name: 'lock', annotations: { text }, [text]: text };
    const lease = (more: object) => JSON.stringify({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, ...more });
    const said = [
      request(`GET ${leases}/${header(text)}`),
      request(`GET ${leases}?labelSelector=${header(text)}&fieldSelector=${header(text)}&resourceVersion=${header(text)}`),
      request(`GET /${Buffer.from(text.replaceAll(/[\r\n\0 ]/g, '')).toString('latin1')}`),
      request(
        `POST ${leases}?fieldValidation=Warn&fieldManager=${header(text)}`,
        lease({ spec: { holderIdentity: text, [text]: 1 } }),
      ),
      request(`POST ${leases}?fieldValidation=Strict`, lease({ [text]: 1 })),
      request(`GET ${leases}/lock`),
      request(`GET ${leases}`, '', 'accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n'),
      request(`PUT ${leases}/lock`, text),
      request(`PATCH ${leases}/lock`, text),
      request(`DELETE ${leases}/lock`),
    ];
    for (const bytes of said) {
      const answer = await send(port, bytes);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      assertHarmless('the head of an answer', head.replaceAll('\r\n', '\n'));
      assert.match(head, /^HTTP\/1\.1 [2-5]\d\d/, bytes.toString());
      assert.doesNotMatch(head, /^HTTP\/1\.1 50/, `${bytes}${answer}`);
      if (/^content-type: application\/json/im.test(head)) JSON.parse(body);
      else assert.match(head, /400 Bad Request|^content-type: text\/plain/im, head);
    }
  }
  server.kill('SIGTERM');
  const { stderr } = await server.finished;
  assertHarmless('the log of serve', stderr);
});
