// The other two ways of changing: patches of three kinds, and deletion with preconditions.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertRefused, labs, MERGE } from './lab.ts';

const STRATEGIC = { contentType: 'application/strategic-merge-patch+json' };
const JSON_PATCH = { contentType: 'application/json-patch+json' };
const OTHER_UID = '11111111-1111-1111-1111-111111111111';

for (const lab of await labs()) {
  const patch = (name: string, body: unknown, options = MERGE) => lab.request('PATCH', lab.path(name), body, options);

  describe(`patching a Lease (${lab.name} API server)`, () => {
    it('a merge patch sets and removes, in either form', async () => {
      for (const options of [MERGE, STRATEGIC]) {
        const name = options === MERGE ? 'merged' : 'strategic';
        await lab.put(name, { holderIdentity: 'alice', leaseDurationSeconds: 5 }, { annotations: { a: '1', b: '2' } });
        const answer = await patch(
          name,
          { spec: { holderIdentity: null, leaseTransitions: 1 }, metadata: { annotations: { a: null, c: '3' } } },
          options,
        );
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(answer.body.spec, { leaseDurationSeconds: 5, leaseTransitions: 1 });
        assert.deepEqual(answer.body.metadata.annotations, { b: '2', c: '3' });
      }
    });

    it('a version in the patch is a precondition, and the uid cannot be changed', async () => {
      const { resourceVersion } = (await lab.put('guarded')).body.metadata;
      assertRefused(await patch('guarded', { metadata: { resourceVersion: '1' }, spec: { holderIdentity: 'bob' } }), {
        status: 409,
        reason: 'Conflict',
      });
      assertRefused(await patch('guarded', { metadata: { uid: OTHER_UID } }), {
        status: 422,
        reason: 'Invalid',
        message: /metadata\.uid: .* field is immutable$/,
      });
      assert.equal((await patch('guarded', { metadata: { resourceVersion }, spec: { holderIdentity: 'bob' } })).status, 200);
    });

    it('what it leads to has to be a Lease, valid, in the same place', async () => {
      await lab.put('checked');
      assertRefused(await patch('checked', { spec: { leaseDurationSeconds: 0 } }), {
        status: 422,
        reason: 'Invalid',
        message: /must be greater than 0$/,
      });
      assertRefused(await patch('checked', { spec: { leaseDurationSeconds: 'x' } }), {
        status: 422,
        reason: 'Invalid',
        message: /^ "" is invalid: patch: /,
      });
      assertRefused(await patch('checked', { spec: { renewTime: 'x' } }), {
        status: 422,
        reason: 'Invalid',
        message: /cannot parse "x" as "2006"$/,
      });
      assertRefused(await patch('checked', { kind: 'Pod' }), { status: 422, reason: 'Invalid' });
      assertRefused(await patch('checked', { metadata: { name: 'other' } }), { status: 400, reason: 'BadRequest' });
      assertRefused(await patch('missing', {}), { status: 404, reason: 'NotFound' });
    });

    it('a JSON patch is done whole or not at all', async () => {
      await lab.put('json', { holderIdentity: 'alice' }, { annotations: { 'a/b': '1' } });
      const done = await patch(
        'json',
        [
          { op: 'test', path: '/spec/holderIdentity', value: 'alice' },
          { op: 'replace', path: '/metadata/annotations/a~1b', value: '2' },
          { op: 'copy', from: '/metadata/annotations/a~1b', path: '/metadata/annotations/c' },
          { op: 'move', from: '/metadata/annotations/c', path: '/metadata/annotations/d' },
          { op: 'remove', path: '/spec/holderIdentity' },
        ],
        JSON_PATCH,
      );
      assert.equal(done.status, 200, done.text);
      assert.deepEqual(done.body.metadata.annotations, { 'a/b': '2', d: '2' });
      assert.deepEqual(done.body.spec, {});
      for (const operation of [
        { op: 'test', path: '/metadata/annotations/d', value: 'other' },
        { op: 'remove', path: '/metadata/annotations/none' },
        { op: 'add', path: '/metadata/nothing/none', value: 'x' },
        { op: 'unknown', path: '/spec' },
      ]) {
        const refused = await patch('json', [{ op: 'add', path: '/spec/holderIdentity', value: 'bob' }, operation], JSON_PATCH);
        assertRefused(refused, {
          status: 422,
          reason: 'Invalid',
          message: /^the server rejected our request due to an error in our request$/,
        });
      }
      assert.deepEqual((await lab.get('json')).spec, {});
    });

    it('a patch that is none, or of no known type, is refused', async () => {
      await lab.put('formless');
      assertRefused(await patch('formless', '{'), { status: 400, reason: 'BadRequest' });
      assertRefused(await patch('formless', []), { status: 400, reason: 'BadRequest' });
      assertRefused(await patch('formless', {}, JSON_PATCH), { status: 400, reason: 'BadRequest' });
      assertRefused(await patch('formless', {}, { contentType: 'application/json' }), {
        status: 415,
        reason: 'UnsupportedMediaType',
      });
    });
  });

  describe(`deleting a Lease (${lab.name} API server)`, () => {
    it('answers with a Status that names it and its uid', async () => {
      const { uid } = (await lab.put('deleted')).body.metadata;
      const answer = await lab.delete('deleted');
      assert.equal(answer.status, 200);
      assert.equal(answer.body.status, 'Success');
      assert.deepEqual(answer.body.details, { name: 'deleted', group: 'coordination.k8s.io', kind: 'leases', uid });
      const absent = {
        status: 404,
        reason: 'NotFound',
        details: { name: 'deleted', group: 'coordination.k8s.io', kind: 'leases' },
      };
      assertRefused(await lab.delete('deleted'), absent);
      assertRefused(await lab.request('GET', lab.path('deleted')), absent);
    });

    it('uid and version can be preconditions', async () => {
      const { uid, resourceVersion } = (await lab.put('precious')).body.metadata;
      for (const preconditions of [{ uid: OTHER_UID }, { resourceVersion: '1' }, { uid, resourceVersion: '1' }]) {
        assertRefused(await lab.delete('precious', { preconditions }), {
          status: 409,
          reason: 'Conflict',
          message: /the (UID|ResourceVersion) in the precondition \(.*\) does not match the \1 in record/,
          details: { name: 'precious', group: 'coordination.k8s.io', kind: 'Lease' },
        });
      }
      assert.equal((await lab.delete('precious', { preconditions: { uid, resourceVersion }, dryRun: ['All'] })).status, 200);
      assert.equal(
        (await lab.delete('precious', { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid, resourceVersion } }))
          .status,
        200,
      );
      assert.equal((await lab.request('GET', lab.path('precious'))).status, 404);
    });

    it('options that cannot be read are refused', async () => {
      await lab.put('unread');
      assertRefused(await lab.request('DELETE', lab.path('unread'), '{'), lab.answers.unreadOptions);
      assertRefused(await lab.delete('unread', { kind: 'Foo', apiVersion: 'v1' }), lab.answers.unreadOptions);
      assertRefused(await lab.delete('unread', { propagationPolicy: 'x' }), { status: 422, reason: 'Invalid' });
    });

    it('a collection is deleted by selector, and says what went', async () => {
      for (const [name, app] of [
        ['a1', 'a'],
        ['a2', 'a'],
        ['b1', 'b'],
      ] as const)
        await lab.put(name, {}, { labels: { app } });
      const answer = await lab.request('DELETE', lab.path('', 'labelSelector=app%3Da'));
      assert.equal(answer.body.kind, 'LeaseList');
      assert.deepEqual(
        answer.body.items.map(({ metadata }) => metadata.name),
        ['a1', 'a2'],
      );
      assert.equal((await lab.request('GET', lab.path('a1'))).status, 404);
      assert.equal((await lab.request('GET', lab.path('b1'))).status, 200);
    });
  });
}
