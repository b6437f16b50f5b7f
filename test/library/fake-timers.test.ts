/**
 * Tests of users replace timers and clocks (Sinon, Jest, Vitest: the same package), and let them stand still or leap by hours. A lock that is held meanwhile
 * goes on by the real ones: it is renewed, and is lost in time.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { embeddedTarget } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { OURS, script } from './workshop.ts';

const target = await embeddedTarget();
after(() => target.close());

const SINON = `require('${fileURLToPath(import.meta.resolve('@sinonjs/fake-timers'))}')`;
const FAKES = {
  // Without the ticks of its event loop Node itself sends nothing.
  sinon: `${SINON}.install({ now: 0, toNotFake: ['nextTick'] })`,
  "node:test's": `(() => { const { mock } = require('node:test'); mock.timers.enable(); return mock.timers; })()`,
};

const story = (load: string) => `
  ${load}
  const lock = createLock({ server: process.env.SERVER, name: 'deploy', namespace: process.env.NS, leaseDuration: '2s' });
  (async () => {
    const held = await lock.acquire();
    console.log('held');
    const busy = await lock.acquire({ timeout: '1s' }).catch(({ code }) => code);
    clock.tick(3600_000);
    console.log(busy, held.isHeld());
    held.signal.addEventListener('abort', () => console.log('lost', held.isHeld()));
  })();`;

const installedBefore = (fakes: string) => `const clock = ${fakes};\nconst { createLock } = require('${OURS}');`;
const installedAfter = (fakes: string) => `const { createLock } = require('${OURS}');\nconst clock = ${fakes};`;

for (const [name, load] of [
  ['sinon, installed after the library is loaded', installedAfter(FAKES.sinon)],
  ['sinon, installed before', installedBefore(FAKES.sinon)],
  ["node:test's, enabled after the library is loaded", installedAfter(FAKES["node:test's"])],
] as const)
  test(`fake timers of ${name}: the lock is renewed by the real ones, and lost in time`, async (t) => {
    const namespace = await target.namespace('fake');
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`;
    const lease = async () => (await target.request('GET', path)).body;
    const alice = script(t, story(load), { SERVER: target.url, NS: namespace });
    await alice.says(/held/);
    const { spec, metadata } = await lease();
    assert.ok(Math.abs(Date.parse(spec.renewTime ?? '') - Date.now()) < 30_000, `the present: ${spec.renewTime}`);
    await alice.says(/busy true/);
    const version = metadata.resourceVersion;
    await until(async () => Number((await lease()).metadata.resourceVersion) > Number(version) + 8, 'it is renewed');
    const found = await lease();
    await target.request('PUT', path, { ...found, spec: { ...found.spec, holderIdentity: 'thief' } });
    await alice.says(/lost false/);
  });

test('fake timers that stop the event loop itself: nothing can be renewed, and the lock is known to be lost', async (t) => {
  const namespace = await target.namespace('fake');
  const alice = script(
    t,
    `const { createLock } = require('${OURS}');
    const lock = createLock({ server: process.env.SERVER, name: 'deploy', namespace: process.env.NS, leaseDuration: '2s' });
    lock.acquire().then((held) => {
      held.signal.addEventListener('abort', () => require('node:fs').writeSync(1, 'lost'));
      require('node:fs').writeSync(1, 'held ');
      ${SINON}.install();
    });`,
    { SERVER: target.url, NS: namespace },
  );
  await alice.says(/held lost/);
});
