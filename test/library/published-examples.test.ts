/** What the README of the published 0.2.5 shows runs with ours as it is, on the real API server. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { examples, OURS, type Place, PUBLISHED, place, script } from './workshop.ts';

const readme = examples(`node_modules/${PUBLISHED}/README.md`, 'javascript');

async function readmePlace(): Promise<Place> {
  const there = await place({ namespace: 'n1', name: 'test-lease-pepe' });
  await there.remove();
  return there;
}

real('the examples of the published README run as they are, with require and with import', async (t) => {
  const [required = '', ...steps] = readme.slice(0, 5);
  const imported = `import { K8SLock } from "${OURS}";`;
  for (const [type, head] of [
    ['cjs', required],
    ['mjs', imported],
  ] as const) {
    const there = await readmePlace();
    const run = script(
      t,
      `${head}\n(async () => {\n${steps.join('\n')}\nlock.stopLocking();\n})();`,
      { KUBECONFIG: there.kubeconfig },
      type,
    );
    assert.equal(await run.finished, 0, run.stderr);
    assert.equal(run.stdout, 'Locking started: true\nLock acquired: true\n');
    assert.equal(run.stderr, '');
    assert.equal((await there.lease()).spec.holderIdentity, '');
  }
});

real('the whole example at the end of the published README runs as it is, and keeps the lock', async (t) => {
  const there = await readmePlace();
  const run = script(t, readme[5] ?? '', { KUBECONFIG: there.kubeconfig });
  await run.says(/Locking started: true/);
  const { spec } = await there.lease();
  assert.equal(spec.holderIdentity, 'colo2');
  assert.equal(spec.leaseDurationSeconds, 50);
});
