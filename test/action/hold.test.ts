/** A job that holds a lock: what it says in the Lease and in its outputs, who waits for it, and what becomes of it however the job goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guard } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { runJob, type Step, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { ACTION, assertTidy, gate, keptIn, lab, onlyError, ran } from './lab.ts';

real('the lock is held from the step to the end of the job, and the Lease says by whom, why and where to look', async (t) => {
  const { lock, holders, holder, lease, namespace, token } = await lab();
  const during: Step = async (job) => {
    const { spec, metadata } = await lease();
    assert.deepEqual(await holders(), [
      {
        key: Object.keys(metadata.annotations ?? {}).find((key) => key.startsWith('holder.')),
        id: spec.holderIdentity,
        mark: (await holders())[0]?.mark,
        duration: 60,
        since: spec.acquireTime,
        about: {
          who: 'alice',
          reason: 'Deploy: build',
          url: 'https://github.test/acme/api/actions/runs/77/attempts/2',
          host: 'runner-1',
        },
      },
    ]);
    assert.match(spec.holderIdentity ?? '', /^gha\/acme%2Fapi\/77\/2\/build\/[0-9a-z]{10}$/);
    assert.equal(spec.leaseDurationSeconds, 60);
    const outputs = job.outputs('lock');
    assert.deepEqual(
      { ...outputs, 'waited-seconds': 0 },
      {
        acquired: 'true',
        lease: 'deploy',
        namespace,
        holder: spec.holderIdentity,
        token: outputs.token,
        transitions: '1',
        'waited-seconds': 0,
        position: '0',
        'held-by': '',
      },
    );
    assert.match(outputs.token ?? '', /^\d+$/);
    assert.ok(Number(outputs['waited-seconds']) < 60, outputs['waited-seconds']);
    assert.deepEqual(job.places(token), []);
  };
  const job = await runJob(t, [lock({}, { id: 'lock' }), during, { run: 'echo deploying' }], {
    runId: '77',
    attempt: '2',
    name: 'build',
  });
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '', 'given back');
  assert.deepEqual(await holders(), []);
  assert.deepEqual(job.annotations, []);
  assertTidy(job);
  assert.match(job.text, new RegExp(`acquired Lease ${namespace}/deploy after \\S+ \\(token \\d+\\)`));
  const { post } = job.steps[0] ?? {};
  assert.equal(ran(post).groups.length, 1);
  assert.match(ran(post).text, new RegExp(`released Lease ${namespace}/deploy after`));
  assert.match(ran(post).summary, new RegExp(`${namespace}/deploy.*held`, 's'));
});

real('two jobs take turns, and who waits is told who holds it, since when, why, and where to look', async (t) => {
  const { lock, untilWaiting, waiters } = await lab();
  const end = gate(t);
  const order: string[] = [];
  const first = startJob(t, [lock({ reason: 'release 1.2' }), () => end.opened, () => order.push('first is through')], {
    repository: 'acme/web',
    runId: '41',
  });
  await first.prints(/acquired Lease/);
  const second = startJob(t, [lock({}, { id: 'lock' }), () => order.push('second has it')], {
    runId: '42',
    actor: 'bob',
  });
  await second.prints(
    /waiting for Lease \S+: next in queue; held by gha\/acme%2Fweb\/41\/1\/deploy\/\w+ \(alice\) since \S+Z, for \S+: release 1\.2, https:\/\/github\.test\/acme\/web\/actions\/runs\/41/,
  );
  await untilWaiting();
  assert.match((await waiters())[0]?.id ?? '', /^gha\/acme%2Fapi\/42\/1\/deploy\//);
  end.open();
  const [one, two] = await Promise.all([first.finished, second.finished]);
  assert.deepEqual([one.conclusion, two.conclusion], ['success', 'success']);
  assert.deepEqual(order, ['first is through', 'second has it']);
  assert.equal(
    two.steps[0]?.outputs['held-by']?.includes('gha/acme%2Fweb/41/1/deploy/'),
    true,
    JSON.stringify(two.steps[0]?.outputs),
  );
  assert.match(ran(two.steps[0]?.post).summary, /acme%2Fweb\/41/);
});

real('legs of a matrix with one run, attempt and job id exclude each other', async (t) => {
  const { lock } = await lab();
  let inside = 0;
  const leg = () =>
    runJob(
      t,
      [
        lock(),
        async () => {
          inside += 1;
          assert.equal(inside, 1);
          await new Promise((resolve) => setTimeout(resolve, 200)); // Time for another to come in, if it could.
          inside -= 1;
        },
      ],
      { runId: '5' },
    );
  const jobs = await Promise.all([leg(), leg(), leg()]);
  assert.deepEqual(
    jobs.map(({ conclusion }) => conclusion),
    ['success', 'success', 'success'],
  );
});

real('a command under the guard stands in the same queue', async (t) => {
  const { lock, cluster, token, namespace, untilWaiting } = await lab();
  const cli = guard(t, ['run', '--kubeconfig', cluster.kubeconfigFor(token), '-n', namespace, '--name', 'deploy', '--', 'cat']);
  await cli.says(/acquired/);
  const job = startJob(t, [lock(), { run: 'echo deploying' }]);
  await untilWaiting();
  const later = guard(t, [
    'run',
    '--kubeconfig',
    cluster.kubeconfigFor(token),
    '-n',
    namespace,
    '--name',
    'deploy',
    '--',
    'true',
  ]);
  await later.says(/1 ahead in queue/);
  assert.doesNotMatch(job.text, /deploying/);
  cli.input('');
  assert.equal((await job.finished).conclusion, 'success');
  assert.equal((await later.finished).code, 0);
});

real('a failure of a step gives the lock back all the same', async (t) => {
  const { lock, holder } = await lab();
  const job = await runJob(t, [lock(), { run: 'exit 3' }]);
  assert.equal(job.conclusion, 'failure');
  assert.deepEqual(job.annotations, []);
  assert.equal(await holder(), '');
  assertTidy(job);
});

real('a skipped step takes no lock, and its post has nothing to say', async (t) => {
  const { lock, lease } = await lab();
  const job = await runJob(t, [lock({}, { if: false }), { run: 'echo deploying' }]);
  assert.equal(job.conclusion, 'success');
  await assert.rejects(lease(), /404/);
  assert.equal(ran(job.steps[0]?.post).text, '');
  assertTidy(job);
});

real(
  'acquire-in pre: the lock is held before the first step of the job, and outputs come with the step’s own turn',
  async (t) => {
    const { lock, holder } = await lab();
    const seen: string[] = [];
    const job = await runJob(t, [
      async () => seen.push(await holder()),
      lock({ 'acquire-in': 'pre' }, { id: 'lock' }),
      async (at) => seen.push(at.outputs('lock').holder ?? 'none'),
    ]);
    assert.equal(job.conclusion, 'success', job.text);
    assert.match(seen[0] ?? '', /^gha\//);
    assert.equal(seen[1], seen[0]);
    assert.equal(job.steps[1]?.outputs.acquired, 'true');
    assert.equal(await holder(), '');
    assertTidy(job);
  },
);

real('acquire-in pre: given back, too, when the step itself is skipped', async (t) => {
  const { lock, holder } = await lab();
  const job = await runJob(t, [lock({ 'acquire-in': 'pre' }, { if: false }), async () => assert.match(await holder(), /^gha\//)]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

real('acquire-in pre: what could not be had fails the job before its first step', async (t) => {
  const { lock } = await lab();
  const end = gate(t);
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const job = await runJob(t, [{ run: 'echo never' }, lock({ 'acquire-in': 'pre', 'on-busy': 'fail' })]);
  assert.equal(job.conclusion, 'failure');
  assert.doesNotMatch(job.text, /never/);
  assert.match(onlyError(job), /held by gha\//);
  end.open();
});

real('on-busy skip: the step succeeds and says that it has no lock; the holder keeps it', async (t) => {
  const { lock, holder } = await lab();
  const end = gate(t);
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const held = await holder();
  const job = await runJob(t, [
    lock({ 'on-busy': 'skip' }, { id: 'lock' }),
    async (at) => assert.deepEqual([at.outputs('lock').acquired, await holder()], ['false', held]),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(
    job.annotations.map(({ level }) => level),
    ['notice'],
  );
  assert.equal(await holder(), held, 'the post of who has none gives none back');
  assertTidy(job);
  end.open();
  assert.equal((await first.finished).conclusion, 'success');
});

real(
  'on-busy fail, and a timeout: one error with who holds it, since when, why, and where to look; nothing stays in the queue',
  async (t) => {
    const { lock, waiters } = await lab();
    const end = gate(t);
    const first = startJob(t, [lock({ reason: 'release 1.2' }), () => end.opened], { runId: '41' });
    await first.prints(/acquired Lease/);
    for (const given of [{ 'on-busy': 'fail' }, { timeout: '0' }, { timeout: '1s' }]) {
      const job = await runJob(t, [lock(given, { id: 'lock' }), { run: 'echo never' }]);
      assert.equal(job.conclusion, 'failure');
      assert.equal(job.steps[0]?.outputs.acquired, 'false');
      assert.match(
        onlyError(job),
        /held by gha\/acme%2Fapi\/41\/1\/deploy\/\w+.* since \S+.*release 1\.2.*https:\/\/github\.test\/acme\/api\/actions\/runs\/41/,
      );
      assert.doesNotMatch(job.text, /never/);
      assert.deepEqual(await waiters(), []);
      assertTidy(job);
    }
    end.open();
  },
);

real('a holder and a reason of one’s own', async (t) => {
  const { lock, holder, holders } = await lab();
  const job = await runJob(t, [
    lock({ holder: 'team-a/nightly', reason: 'the nightly import' }),
    async () => {
      assert.match(await holder(), /^team-a\/nightly\/\w{10}$/);
      assert.equal((await holders())[0]?.about.reason, 'the nightly import');
    },
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

real('acquire-in pre: a lock that is lost before the step’s own turn fails it', async (t) => {
  const { lock, clear } = await lab();
  const job = await runJob(t, [
    async (running) => {
      await clear();
      await until(() => keptIn(running).phase === 'lost', 'the keeper knows');
    },
    lock({ 'acquire-in': 'pre' }, { id: 'lock' }),
    { run: 'echo never' },
  ]);
  assert.equal(job.conclusion, 'failure');
  assert.equal(job.steps[1]?.outputs.acquired, 'false');
  assert.match(ran(job.steps[1]?.main).text, /was lost at/);
  assert.doesNotMatch(job.text, /never/);
});

real('what others wrote into the Lease is shown, and is never a command to this runner, or a part of its page', async (t) => {
  const { lock, overwrite, untilWaiting, clear, lease } = await lab();
  const evil = 'x\n::error::pwned\n::add-mask::deploy\r\n::set-output name=acquired::pwned\n<img src=x>';
  assert.equal((await runJob(t, [lock()])).conclusion, 'success');
  const text = JSON.stringify({ id: evil, mark: 'm', duration: 60, since: evil, about: { who: evil, reason: evil, url: evil } });
  for (const spec of [{ holderIdentity: evil }, { holderIdentity: 'somebody\n::error::pwned' }]) {
    await overwrite((body) => {
      Object.assign(body.spec, spec, { leaseDurationSeconds: 60, renewTime: '2026-01-01T00:00:00.000000Z' });
      body.metadata.annotations = { ...body.metadata.annotations, 'holder.lease-lock.nullplatform.com/000001-evil': text };
    });
    for (const given of [{}, { run: 'true' }]) {
      const late = await runJob(t, [lock({ ...given, timeout: '500ms' }, { id: 'lock' })]);
      assert.equal(late.conclusion, 'failure');
      assert.match(onlyError(late), /held by/);
      assert.doesNotMatch(late.text, /^::(add-mask::deploy|set-output)/m);
      assert.equal(late.steps[0]?.outputs.acquired, 'false');
      assert.doesNotMatch(ran(late.steps[0]?.main).summary + ran(late.steps[0]?.post).summary, /<img/);
    }
  }
  const job = startJob(t, [lock()]);
  await untilWaiting();
  await job.prints(/waiting for Lease/);
  await overwrite(({ metadata }) => {
    delete metadata.annotations?.['holder.lease-lock.nullplatform.com/000001-evil'];
  });
  await clear();
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.deepEqual(result.annotations, [], (await lease()).metadata.name);
  assert.doesNotMatch(result.text, /^::(add-mask::deploy|set-output)/m);
});

real('priority goes before arrival', async (t) => {
  const { lock, untilWaiting } = await lab();
  const end = gate(t);
  const order: string[] = [];
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const low = startJob(t, [lock(), () => order.push('low')]);
  await untilWaiting(1);
  const high = startJob(t, [lock({ priority: '5' }), () => order.push('high')]);
  await untilWaiting(2);
  end.open();
  await Promise.all([low.finished, high.finished]);
  assert.deepEqual(order, ['high', 'low']);
});

real('two locks in one job, and each is given back by its own post', async (t) => {
  const { inputs, holder, namespace, cluster } = await lab();
  const second = { ...inputs({ name: 'other' }), token: cluster.adminToken };
  const job = await runJob(t, [
    { uses: ACTION, with: inputs() },
    { uses: ACTION, with: second },
    async () => assert.deepEqual([/^gha/.test(await holder()), /^gha/.test(await holder('other'))], [true, true]),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual([await holder(), await holder('other')], ['', '']);
  assert.match(job.text, new RegExp(`released Lease ${namespace}/other[\\s\\S]*released Lease ${namespace}/deploy`));
});

// Nothing listens there: whoever asked would say so.
const NOWHERE = { name: 'x', server: 'https://127.0.0.1:1', token: 'word' };

test('wrong inputs fail in pre, by one annotation that names the input, before any step or request', async (t) => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ name: 'Deploy Lock' }, /^name: invalid name "Deploy Lock" for a Lease/],
    [{ mode: 'hodl' }, /^mode: invalid value "hodl": use one of hold, acquire, release, check/],
    [{ timeout: '5' }, /^timeout: "5" has no unit: write 5s or 5m/],
    [{ priority: 'high' }, /^priority: invalid value "high": use a whole number/],
    [{ 'on-busy': 'cry' }, /^on-busy: /],
    [{ 'lease-duration': '1s' }, /^lease-duration: /],
    [{ mode: 'check', run: 'true' }, /^run: cannot be combined with mode check/],
    [{ 'acquire-in': 'pre', run: 'true' }, /^acquire-in: /],
    [{ context: 'a' }, /^server: cannot be combined/],
    [{ 'oidc-audience': 'a' }, /^token: cannot be combined/],
    [{ 'certificate-authority-data': 'bm9uZQ==' }, /^certificate-authority-data: no certificate in it/],
    [{ server: '' }, /^token: requires server/],
  ];
  for (const [given, expected] of wrong) {
    const job = await runJob(t, [{ run: 'echo never' }, { uses: ACTION, with: { ...NOWHERE, ...given } }]);
    assert.equal(job.conclusion, 'failure', String(expected));
    assert.match(onlyError(job), expected);
    assert.equal(job.steps[1]?.pre?.code, 1, `pre: ${expected}`);
    assert.doesNotMatch(job.text, /never|127\.0\.0\.1/, 'no step, no request');
    assertTidy(job);
  }
});

test('what is empty may be filled by a step that comes before: it is missed in main, by one annotation, before any request', async (t) => {
  const missing: [Record<string, string>, RegExp][] = [
    [{ name: '' }, /^name: required/],
    [{ mode: 'acquire' }, /^holder: required by mode acquire/],
    [{ mode: 'acquire', holder: 'me' }, /^lease-duration: required by mode acquire/],
    [{ mode: 'release' }, /^holder: required by mode release/],
    [{ 'on-lost': 'cancel' }, /^github-token: required by on-lost cancel/],
    [{ token: '' }, /^token: empty, and so is oidc-audience.*is the secret defined/],
    [{ token: '', 'oidc-audience': 'a' }, /^oidc-audience: .*id-token: write/],
  ];
  for (const [given, expected] of missing) {
    const job = await runJob(t, [{ run: 'echo first' }, { uses: ACTION, with: { ...NOWHERE, ...given } }, { run: 'echo never' }]);
    assert.equal(job.conclusion, 'failure', String(expected));
    assert.match(onlyError(job), expected);
    assert.equal(job.steps[1]?.main?.code, 1, `main: ${expected}`);
    assert.match(job.text, /first/);
    assert.doesNotMatch(job.text, /never|127\.0\.0\.1/, 'no request');
    assertTidy(job);
  }
});

real('inputs that only a step knows are read when it has run', async (t) => {
  const { inputs, holder } = await lab();
  let token = '';
  const job = await runJob(t, [
    () => {
      token = inputs().token ?? '';
    },
    { uses: ACTION, with: () => inputs({ token }) },
    async () => assert.match(await holder(), /^gha\//),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

test('an empty token of a pull request from a fork is told as what it is', async (t) => {
  const inputs = { name: 'x', server: 'https://127.0.0.1:1', token: '' };
  const event = { pull_request: { head: { repo: { fork: true } } } };
  const job = await runJob(t, [{ uses: ACTION, with: inputs }], { event });
  assert.match(onlyError(job), /comes from a fork, and GitHub passes no secrets to it/);
});
