/** What others have written into the Lease is data: it is no command to the runner, and no part of its page. */
import assert from 'node:assert/strict';
import { assertHarmless, SAMPLES } from '../field/hostile.ts';
import { badServer, respond, status } from '../harness/bad-server.ts';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { kubeconfigOf } from './kubeconfigs.ts';
import { ACTION, lab, onlyError, ran } from './lab.ts';

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

real('what an API server says is shown, and is never a command either', async (t) => {
  const place = await lab();
  for (const text of SAMPLES.slice(0, 4)) {
    for (const code of [403, 422]) {
      const { url } = await badServer(t, respond(code, status(code, text, { message: text })));
      const job = await runJob(t, [{ uses: ACTION, with: { name: 'deploy', kubeconfig: kubeconfigOf(place, { server: url }) } }]);
      const { title, message } = job.annotations[0] ?? { title: '', message: '' };
      assert.match(title, /not acquired/, message);
      assertHarmless('the annotation', message);
      assertHarmless('the page', ran(job.steps[0]?.main).summary);
      assert.equal(job.annotations.length, 1);
      const own = /^::(?:error|group|endgroup|add-mask|stop-commands|save-state|debug).*$/gm;
      assertHarmless('the log', job.text.replace(own, ''));
    }
  }
});
