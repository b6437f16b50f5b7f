// Watching one Lease: what comes first, what follows, and what happens to those who come too late.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Watch, WatchEvent } from '../harness/api.ts';
import { assertRefused, labs, MERGE } from './lab.ts';

const only = (name: string, more = '') => `fieldSelector=metadata.name%3D${name}&timeoutSeconds=60${more}`;

for (const lab of await labs()) {
  // A fresh real one remembers everything; test/harness/cluster.test.ts makes one forget, by a restart.
  const forgets = lab.name === 'embedded';
  const watch = (query: string) => lab.watch(lab.path('', query));

  describe(`watching (${lab.name} API server)`, () => {
    it('without a version the current state comes first', async () => {
      const { resourceVersion } = (await lab.put('present', { holderIdentity: 'alice' })).body.metadata;
      for (const version of ['', '&resourceVersion=0']) {
        const watching = await watch(only('present', version));
        const first = await watching.next();
        assert.equal(first?.type, 'ADDED');
        assert.equal(first?.object.kind, 'Lease');
        assert.equal(first?.object.metadata.resourceVersion, resourceVersion);
        watching.close();
      }
    });

    it('an absent Lease is answered immediately, and seen when it is created, changed, deleted and created again', async () => {
      const watching = await watch(only('later'));
      assert.equal(watching.status, 200);
      const made = await lab.put('later', { holderIdentity: 'alice' });
      const changed = await lab.rewrite('later', ({ spec }) => Object.assign(spec, { holderIdentity: 'bob' }));
      await lab.put('unrelated');
      await lab.delete('later');
      const again = await lab.put('later');
      const events = await take(watching, 4);
      assert.deepEqual(
        events.map(({ type }) => type),
        ['ADDED', 'MODIFIED', 'DELETED', 'ADDED'],
      );
      const versions = events.map(({ object }) => BigInt(object.metadata.resourceVersion));
      assert.equal(`${versions[0]}`, made.body.metadata.resourceVersion);
      assert.equal(`${versions[1]}`, changed.body.metadata.resourceVersion);
      assert.equal(`${versions[3]}`, again.body.metadata.resourceVersion);
      const [, second = 0n, third = 0n, fourth = 0n] = versions;
      assert.ok(second < third && third < fourth, 'a deletion has a version of its own');
      assert.equal(events[2]?.object.spec.holderIdentity, 'bob', 'the last state goes with it');
      watching.close();
    });

    it('from a version on, exactly the changes after it come', async () => {
      const { resourceVersion } = (await lab.put('since')).body.metadata;
      for (const holderIdentity of ['alice', 'bob'])
        await lab.rewrite('since', ({ spec }) => Object.assign(spec, { holderIdentity }));
      const watching = await watch(only('since', `&resourceVersion=${resourceVersion}`));
      const events = await take(watching, 2);
      assert.deepEqual(
        events.map(({ type, object }) => `${type} ${object.spec.holderIdentity}`),
        ['MODIFIED alice', 'MODIFIED bob'],
      );
      watching.close();
    });

    const itForgets: (name: string, body: () => Promise<void>) => unknown = forgets ? it : () => {};
    itForgets('a version that is no longer remembered is one ERROR event, 410 Expired, and the end', async () => {
      const watching = await watch(only('any', '&resourceVersion=1'));
      assert.equal(watching.status, 200);
      const event = await watching.next();
      assert.equal(event?.type, 'ERROR');
      assert.equal(event?.object.kind, 'Status');
      assert.equal(event?.object.code, 410);
      assert.equal(event?.object.reason, 'Expired');
      assert.match(event?.object.message ?? '', /^too old resource version: 1 \(\d+\)$/);
      assert.equal(await watching.next(), undefined);
    });

    it('a version that is no number is refused, and so is a selector that is not known', async () => {
      const refused = await lab.request('GET', lab.path('', 'watch=1&resourceVersion=x'));
      assertRefused(refused, { status: 500, reason: undefined, message: /parsing "x": invalid syntax$/ });
      const unknown = await lab.request('GET', lab.path('', 'watch=1&fieldSelector=spec.holderIdentity%3Dx'));
      assertRefused(unknown, {
        status: 400,
        reason: 'BadRequest',
        message: /"spec\.holderIdentity" is not a known field selector/,
      });
    });

    it('after the current state comes a bookmark, if bookmarks are wanted', async () => {
      await lab.put('marked');
      const watching = await watch(only('marked', '&allowWatchBookmarks=true&timeoutSeconds=5'));
      const [state, bookmark] = await take(watching, 2);
      assert.equal(state?.type, 'ADDED');
      assert.equal(bookmark?.type, 'BOOKMARK');
      assert.equal(bookmark?.object.metadata.annotations?.['k8s.io/initial-events-end'], lab.answers.initialEventsEnd);
      assert.ok(
        BigInt(bookmark?.object.metadata.resourceVersion ?? '0') >= BigInt(state?.object.metadata.resourceVersion ?? '0'),
      );
      watching.close();
    });

    it('it ends after the time that was asked for', async () => {
      const watching = await watch('fieldSelector=metadata.name%3Dnobody&timeoutSeconds=1');
      assert.equal(await watching.next(), undefined);
    });

    it('what leaves or enters the sight of a label selector is deleted or added', async () => {
      await lab.put('labelled');
      const watching = await watch('labelSelector=q%3D1&timeoutSeconds=60');
      for (const q of ['1', null, '1']) await lab.request('PATCH', lab.path('labelled'), { metadata: { labels: { q } } }, MERGE);
      await lab.delete('labelled');
      assert.deepEqual(
        (await take(watching, 4)).map(({ type }) => type),
        ['ADDED', 'DELETED', 'ADDED', 'DELETED'],
      );
      watching.close();
    });

    it('a write that changes nothing is no event', async () => {
      await lab.put('quiet', { holderIdentity: 'alice' });
      const watching = await watch(only('quiet'));
      await lab.rewrite('quiet', () => {});
      await lab.rewrite('quiet', ({ spec }) => Object.assign(spec, { holderIdentity: 'bob' }));
      assert.deepEqual(
        (await take(watching, 2)).map(({ object }) => object.spec.holderIdentity),
        ['alice', 'bob'],
      );
      watching.close();
    });
  });
}

async function take(watching: Watch, count: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  while (events.length < count) {
    const event = await watching.next();
    assert.ok(event, `the watch ended after ${events.length} of ${count} events`);
    events.push(event);
  }
  return events;
}
