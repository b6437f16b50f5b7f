/** The checker judged in its turn: what it must accuse, and what it must not. Histories are written by hand (scene.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Actor, newScene, type Scene } from './scene.ts';

interface Queue {
  alice: Actor;
  carol: Actor;
  bob: Actor;
}

/** Alice holds; five dead waiters, then Carol, then Bob stand in the queue. */
function queueOfSeven(scene: Scene): Queue {
  const alice = scene.actor('alice');
  scene.claim(alice);
  for (let i = 1; i <= 5; i += 1) scene.enqueue(scene.actor(`dead-${i}`));
  const [carol, bob] = [scene.actor('carol'), scene.actor('bob')];
  for (const { author } of [carol, bob]) scene.tell({ type: 'queued', author, patient: true });
  for (const actor of [carol, bob]) scene.enqueue(actor);
  scene.show(carol, bob);
  return { alice, carol, bob };
}

const lag = (scene: Scene, { author }: Actor, lasting: boolean) =>
  scene.tell({ type: 'troubled', author, source: 'watch', by: 'a slow watch', lasting });

const clear = (scene: Scene) => {
  const renewTime = '2030-01-01T01:00:00.000000Z';
  scene.edit('clear', (lease) => ({ ...lease, spec: { ...lease.spec, renewTime } }));
};

test('who learned late that the lock is free may be overtaken, even if an administrator clears the free lock once more', () => {
  const scene = newScene();
  const { alice, carol, bob } = queueOfSeven(scene);
  scene.at(10_000);
  scene.leave(alice);
  scene.show(bob);
  lag(scene, carol, true);
  scene.at(13_000);
  lag(scene, carol, false);
  scene.show(carol);
  scene.at(15_000);
  clear(scene);
  scene.show(bob, carol);
  // Six windows after what he saw; hers end a second later.
  scene.at(22_100);
  scene.claim(bob);
  assert.equal(scene.checker.violation, undefined);
});

test('who knew in time that the lock is free must not be overtaken, whatever an administrator clears', () => {
  const scene = newScene();
  const { alice, carol, bob } = queueOfSeven(scene);
  scene.at(10_000);
  scene.leave(alice);
  scene.show(bob, carol);
  scene.at(15_000);
  clear(scene);
  scene.show(bob, carol);
  scene.at(22_100);
  scene.claim(bob);
  assert.equal(scene.checker.violation?.invariant, 'nobody is overtaken');
});

/** Bob's lease runs when the Lease is deleted; Alice, who bears the same id and saw nothing of him, creates it anew. */
function sameIdOverDeletion(scene: Scene): Actor {
  const [bob, alice] = [scene.actor('bob', { id: 'shared', durationMs: 120_000 }), scene.actor('alice', { id: 'shared' })];
  scene.claim(bob);
  scene.at(10_000);
  scene.edit('delete', () => undefined);
  scene.claim(alice);
  return alice;
}

const spoilHolders = (scene: Scene) =>
  scene.edit('other', (lease) => {
    const spoilt = Object.entries(lease.metadata.annotations ?? {}).map(([name, text]) => [
      name,
      /^holder/.test(name) ? '' : text,
    ]);
    return { ...lease, metadata: { ...lease.metadata, annotations: Object.fromEntries(spoilt) } };
  });

test('who is shown an id and no entry that can be read has seen the last that bore it, and none before', () => {
  const scene = newScene();
  const alice = sameIdOverDeletion(scene);
  spoilHolders(scene);
  const carol = scene.actor('carol');
  scene.show(carol);
  scene.at(12_000);
  scene.renew(alice);
  scene.at(20_000);
  scene.leave(alice);
  scene.claim(carol);
  assert.equal(scene.checker.violation, undefined);
});
