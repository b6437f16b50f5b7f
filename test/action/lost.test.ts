/** A lock that is lost while the steps of the job run: who learns of it, when, and what becomes of the job. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { failure, respond, silence } from '../harness/fault-behaviours.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { real } from '../harness/real.ts';
import { type Inputs, type Job, runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, gate, keptIn, type Lab, lab, onlyError, ran } from './lab.ts';

const untilLost = (job: Job) => until(() => keptIn(job).phase === 'lost', 'the keeper knows that it has lost');

real(
  'taken away by an administrator: the keeper knows at once, the steps go on, and post fails with since when and why',
  async (t) => {
    const { lock, clear, holder } = await lab();
    const job = await runJob(t, [
      lock(),
      async (running) => {
        await clear();
        await untilLost(running);
      },
      { run: 'echo going on' },
    ]);
    assert.equal(job.conclusion, 'failure');
    assert.match(job.text, /going on/);
    assert.match(onlyError(job), /Lease \S+\/deploy was lost at 20\d\d-\S+Z: .+\. From then on the steps ran without the lock/);
    assert.equal(job.steps[0]?.post?.code, 1);
    assert.match(ran(job.steps[0]?.post).summary, /lost/);
    assert.equal(await holder(), '');
    assertTidy(job);
  },
);

real('on-lost warn: the same as a warning, and the job succeeds', async (t) => {
  const { lock, clear } = await lab();
  const job = await runJob(t, [
    lock({ 'on-lost': 'warn' }),
    async (running) => {
      await clear();
      await untilLost(running);
    },
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(
    job.annotations.map(({ level }) => level),
    ['warning'],
  );
  assert.match(job.annotations[0]?.message ?? '', /was lost at .*without the lock/);
});

interface GitHub {
  url: string;
  asked: { line: string; authorization: string | undefined }[];
}

/** GitHub's API as far as it is asked here; `onCancel` is what cancelling does. */
async function github(t: TestContext, answers: number[], onCancel: () => void): Promise<GitHub> {
  const asked: GitHub['asked'] = [];
  const server = createServer((request, response) => {
    asked.push({ line: `${request.method} ${request.url}`, authorization: request.headers.authorization });
    const status = answers[Math.min(asked.length, answers.length) - 1] ?? 500;
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    if (status === 202) onCancel();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const GITHUB_TOKEN = 'ghs_0123456789abcdefghij';

for (const [how, answers] of [
  ['at once', [202]],
  ['at the second attempt', [502, 202]],
] as const) {
  real(`on-lost cancel: the keeper cancels the run ${how}, the steps end, and post says why`, async (t) => {
    const { lock, clear } = await lab();
    let running: Job | undefined;
    const { url, asked } = await github(t, [...answers], () => running?.cancel());
    const job = startJob(
      t,
      [
        lock({ 'on-lost': 'cancel', 'github-token': GITHUB_TOKEN }),
        { run: 'echo deploying; exec sleep 600' },
        { run: 'echo never' },
      ],
      { apiUrl: url, runId: '77', cancelTimes: { termAfterMs: 100, killAfterMs: 100 } },
    );
    running = job;
    await job.prints(/deploying/);
    assert.deepEqual(job.places(GITHUB_TOKEN), []);
    await clear();
    const result = await job.finished;
    const line = 'POST /repos/acme/api/actions/runs/77/cancel';
    assert.deepEqual(
      asked,
      answers.map(() => ({ line, authorization: `Bearer ${GITHUB_TOKEN}` })),
    );
    assert.equal(result.conclusion, 'cancelled');
    assert.equal(result.steps[0]?.post?.code, 1);
    assert.match(onlyError(result), /was lost at/);
    assert.doesNotMatch(result.text, /never/);
    assert.deepEqual(job.places(GITHUB_TOKEN), []);
    assertTidy(result);
  });
}

real('on-lost cancel without the permission for it: post fails all the same, and the log says what is missing', async (t) => {
  const { lock, clear } = await lab();
  const { url, asked } = await github(t, [403], () => {});
  const job = await runJob(
    t,
    [
      lock({ 'on-lost': 'cancel', 'github-token': GITHUB_TOKEN }),
      async () => {
        await clear();
        await until(() => asked.length > 0, 'the request');
      },
    ],
    { apiUrl: url },
  );
  assert.equal(job.conclusion, 'failure');
  assert.match(onlyError(job), /was lost at/);
  assert.match(job.text, /could not be cancelled .*403: github-token needs the permission actions: write/);
});

/** A job whose API server can be cut off. */
async function cut(t: TestContext, at: Lab) {
  const proxy = await faultProxy(at.cluster);
  t.after(() => proxy.close());
  const through = (more: Inputs): Inputs => ({ ...at.inputs(more), server: proxy.url, 'certificate-authority-data': '' });
  return { proxy, through };
}

real(
  'cut off from the API server: the keeper counts the lock as lost before anybody else can have it, and check says so at once',
  async (t) => {
    const at = await lab();
    const { proxy, through } = await cut(t, at);
    const end = gate(t);
    const next = startJob(t, [{ run: 'true' }, () => end.opened, at.lock({}, { id: 'next' })]);
    const job = await runJob(t, [
      at.lock({}, { with: through({ 'lease-duration': '3s' }) }),
      async (running) => {
        end.open();
        await at.untilWaiting();
        proxy.set(() => silence);
        await next.prints(/acquired Lease/);
        assert.equal(keptIn(running).phase, 'lost', 'known before the other had it');
      },
      at.lock({ mode: 'check' }),
      { run: 'echo never' },
    ]);
    assert.equal(job.conclusion, 'failure');
    assert.doesNotMatch(job.text, /never/);
    const errors = job.annotations.filter(({ level }) => level === 'error').map(({ message }) => message);
    assert.equal(errors.length, 2, 'one of check, one of post');
    for (const message of errors) assert.match(message, /was lost at 20\d\d-\S+Z: .+/);
    assert.equal((await next.finished).conclusion, 'success');
  },
);

real('cut off for less than the lease: renewed again, and nothing is lost', async (t) => {
  const at = await lab();
  const { proxy, through } = await cut(t, at);
  const job = await runJob(t, [
    at.lock({}, { with: through({ 'lease-duration': '10s' }) }),
    async (running) => {
      proxy.set(() => silence);
      await until(() => proxy.openWatches() >= 0 && proxy.answers.some((answer) => answer.endsWith('-')), 'a request in vain');
      const writes = proxy.writes.length;
      proxy.set(undefined);
      await until(() => proxy.writes.length > writes && keptIn(running).phase === 'held', 'a renewal');
    },
    at.lock({ mode: 'check' }, { id: 'check' }),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(job.steps[2]?.outputs.acquired, 'true');
  assert.equal(await at.holder(), '');
});

real('deleted while held: put back, and nothing is lost', async (t) => {
  const { lock, cluster, namespace, holder } = await lab();
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`;
  const job = await runJob(t, [
    lock(),
    async () => {
      const before = await holder();
      assert.equal((await cluster.request('DELETE', path)).status, 200);
      await until(async () => (await holder()) === before, 'the Lease again');
    },
    lock({ mode: 'check' }),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
});

real('lost before the API server went away: post is told what the keeper knew', async (t) => {
  const at = await lab();
  const { proxy, through } = await cut(t, at);
  const job = await runJob(t, [
    at.lock({}, { with: through({ 'lease-duration': '3s' }) }),
    async (running) => {
      proxy.set(() => silence);
      await untilLost(running);
    },
  ]);
  assert.equal(job.conclusion, 'failure');
  assert.match(onlyError(job), /was lost at/);
  assertTidy(job);
});

real('the API server is away when the lock is to be given back: a warning, in bounded time, and it expires', async (t) => {
  const at = await lab();
  const { proxy, through } = await cut(t, at);
  const job = await runJob(t, [at.lock({}, { with: through({ 'lease-duration': '12s' }) }), () => proxy.set(() => silence)]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(
    job.annotations.map(({ level }) => level),
    ['warning'],
  );
  assert.match(job.annotations[0]?.message ?? '', /is free when it expires: /);
  assert.ok(ran(job.steps[0]?.post).ms < 10_000);
  assertTidy(job);
});

real('the API server is away when the lock is asked for: told, and it is had once it is back', async (t) => {
  const at = await lab();
  const { proxy, through } = await cut(t, at);
  proxy.set(() => respond(503, failure(503, 'ServiceUnavailable', 'starting up')));
  const job = startJob(t, [at.lock({}, { with: through({}) }), { run: 'echo deploying' }]);
  await job.prints(/503.*trying again in/);
  proxy.set(undefined);
  assert.equal((await job.finished).conclusion, 'success', job.text);
});
