/** `unlock` of createLock on every API server that there is. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { codeOf, workshop } from './workshop.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));

for (const target of all) {
  test(`${target.name}: unlock asks the holder to stop, or clears it; every refusal is a sentence`, async (t) => {
    const { lock } = await workshop(t, target);
    const [alice, bob] = [lock(), lock()];
    const held = await alice.acquire();
    const nobody = await bob.unlock({ holder: 'carol' });
    assert.equal(nobody.kind, 'refused');
    assert.match(nobody.message, /^Lease \S+ was not unlocked: carol does not hold it; held by /);
    const early = await bob.unlock({ holder: held.holder, timeout: 0 });
    assert.equal(early.kind, 'still-held');
    assert.match(early.message, /if it is not, use force: 'silent'/);
    await until(() => held.stopRequested.aborted, 'the holder is asked to stop');
    await held.release();
    const next = await alice.acquire();
    next.stopRequested.addEventListener('abort', () => void next.release());
    const asked = await bob.unlock({ holder: next.holder, reason: 'a hot fix' });
    assert.deepEqual(asked, { kind: 'unlocked', message: asked.message });
    assert.equal(next.stopRequested.reason.reason, 'a hot fix');
    const again = await alice.acquire();
    const living = await bob.unlock({ holder: again.holder, force: 'silent' });
    assert.equal(living.kind, 'refused', living.message);
    assert.match(living.message, /use force: 'live'/);
    assert.equal((await bob.unlock({ holder: again.holder, force: 'live' })).kind, 'unlocked');
    await until(() => !again.isHeld(), 'the holder learns of it');
    assert.equal(await bob.unlock({ holder: '' } as { holder: string }).catch(codeOf), 'configuration');
    await again.release();
  });
}
