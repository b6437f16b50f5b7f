// Creating and replacing: what a compare-and-set over PUT can rely on.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertRefused, labs, lease } from './lab.ts';

const ABSENT_UID = '11111111-1111-1111-1111-111111111111';

for (const lab of await labs()) {
  describe(`writing a Lease (${lab.name} API server)`, () => {
    it('a PUT without uid and resourceVersion creates', async () => {
      const answer = await lab.put('fresh', { holderIdentity: 'alice', leaseDurationSeconds: 5 });
      assert.equal(answer.status, 201);
      assert.deepEqual(answer.body.spec, { holderIdentity: 'alice', leaseDurationSeconds: 5 });
      assert.match(answer.body.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(answer.body.metadata.resourceVersion, /^[1-9]\d*$/);
      assert.match(answer.body.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.equal(answer.body.metadata.namespace, lab.ns);
    });

    it('a PUT without resourceVersion on an existing one is refused: it must be specified', async () => {
      await lab.put('there');
      for (const metadata of [{}, { resourceVersion: '0' }]) {
        const problem = lab.answers.noResourceVersion;
        assertRefused(await lab.put('there', {}, metadata), {
          status: 422,
          reason: 'Invalid',
          message: new RegExp(`^leases\\.coordination\\.k8s\\.io "there" is invalid: metadata\\.resourceVersion: ${problem}$`),
          details: {
            name: 'there',
            group: 'coordination.k8s.io',
            kind: 'leases',
            causes: [{ reason: 'FieldValueInvalid', message: problem, field: 'metadata.resourceVersion' }],
          },
        });
      }
    });

    it('of two writers that read the same version, the second gets 409', async () => {
      const { resourceVersion, uid } = (await lab.put('race')).body.metadata;
      const alice = await lab.put('race', { holderIdentity: 'alice' }, { resourceVersion, uid });
      const bob = await lab.put('race', { holderIdentity: 'bob' }, { resourceVersion, uid });
      assert.equal(alice.status, 200);
      assertRefused(bob, {
        status: 409,
        reason: 'Conflict',
        message: /the object has been modified; please apply your changes to the latest version and try again$/,
        details: { name: 'race', group: 'coordination.k8s.io', kind: 'leases' },
      });
      assert.equal((await lab.get('race')).spec.holderIdentity, 'alice');
    });

    it('a version from the future is a conflict too, and one that is no number is an error of the server', async () => {
      await lab.put('future');
      assertRefused(await lab.put('future', {}, { resourceVersion: '99999999999' }), { status: 409, reason: 'Conflict' });
      assertRefused(await lab.put('future', {}, { resourceVersion: 'x' }), {
        status: 500,
        reason: undefined,
        message: /parsing "x": invalid syntax$/,
      });
    });

    it('a stale PUT to a deleted Lease gets 409 with the uid, and creates it again without', async () => {
      const { uid, resourceVersion } = (await lab.put('gone')).body.metadata;
      await lab.delete('gone');
      assertRefused(await lab.put('gone', {}, { uid, resourceVersion }), {
        status: 409,
        reason: 'Conflict',
        message: new RegExp(`Precondition failed: UID in precondition: ${uid}, UID in object meta: $`),
      });
      const again = await lab.put('gone', {}, { resourceVersion });
      assert.equal(again.status, 201);
      assert.notEqual(again.body.metadata.uid, uid);
    });

    it('the uid of another object is a conflict, even with the right version', async () => {
      const { resourceVersion } = (await lab.put('other')).body.metadata;
      assertRefused(await lab.put('other', {}, { uid: ABSENT_UID, resourceVersion }), { status: 409, reason: 'Conflict' });
      assertRefused(await lab.put('other', {}, { uid: ABSENT_UID }), { status: 409, reason: 'Conflict' });
      assertRefused(await lab.put('nobody', {}, { uid: ABSENT_UID }), { status: 409, reason: 'Conflict' });
    });

    it('a POST creates once; then it exists already', async () => {
      assert.equal((await lab.request('POST', lab.path(), lease('posted'))).status, 201);
      assertRefused(await lab.request('POST', lab.path(), lease('posted')), {
        status: 409,
        reason: 'AlreadyExists',
        message: /^leases\.coordination\.k8s\.io "posted" already exists$/,
      });
      assertRefused(await lab.request('POST', lab.path(), lease('versioned', {}, { resourceVersion: '5' })), {
        status: 500,
        reason: undefined,
        message: /^resourceVersion should not be set on objects to be created$/,
      });
    });

    it('versions grow over writes, deletion and re-creation', async () => {
      const versions: bigint[] = [];
      for (const round of [1, 2]) {
        versions.push(BigInt((await lab.put('grows')).body.metadata.resourceVersion));
        const write = await lab.rewrite('grows', (read) => Object.assign(read.spec, { leaseTransitions: round }));
        versions.push(BigInt(write.body.metadata.resourceVersion));
        await lab.delete('grows');
      }
      assert.deepEqual(
        versions,
        [...versions].sort((a, b) => (a < b ? -1 : 1)),
      );
      assert.equal(new Set(versions).size, 4);
      const [, second = 0n, third = 0n] = versions;
      assert.ok(third - second >= 2n, 'the deletion used a version up');
    });

    it('a write that changes nothing keeps the version', async () => {
      const { resourceVersion } = (await lab.put('same', { holderIdentity: 'alice' })).body.metadata;
      const again = await lab.rewrite('same', () => {});
      assert.equal(again.status, 200);
      assert.equal(again.body.metadata.resourceVersion, resourceVersion);
    });

    it('what the server owns cannot be written', async () => {
      const { creationTimestamp } = (await lab.put('owned')).body.metadata;
      const answer = await lab.rewrite('owned', ({ metadata }) =>
        Object.assign(metadata, { creationTimestamp: '2020-01-01T00:00:00Z', generation: 7 }),
      );
      assert.equal(answer.status, 200);
      assert.equal(answer.body.metadata.creationTimestamp, creationTimestamp);
      assert.equal(answer.body.metadata.generation, undefined);
    });

    it('a dry run answers as the write would, and writes nothing', async () => {
      const made = await lab.put('dry', { holderIdentity: 'alice' }, {}, 'dryRun=All');
      assert.equal(made.status, 201);
      assert.equal(made.body.metadata.resourceVersion, undefined);
      assert.equal((await lab.request('GET', lab.path('dry'))).status, 404);
      assertRefused(await lab.put('dry', {}, {}, 'dryRun=x'), { status: 422, reason: 'Invalid' });
    });

    it('the name and namespace of the object must be those of the address', async () => {
      const put = (body: object) => lab.request('PUT', lab.path('here'), body);
      assertRefused(await put(lease('elsewhere')), {
        status: 400,
        reason: 'BadRequest',
        message: /\(elsewhere\) does not match the name on the URL \(here\)$/,
      });
      assertRefused(await put(lease('')), { status: 400, reason: 'BadRequest', message: /name must be provided$/ });
      assertRefused(await put(lease('here', {}, { namespace: 'elsewhere' })), {
        status: 400,
        reason: 'BadRequest',
        message: /namespace/,
      });
      assertRefused(await put({ ...lease('here'), kind: 'Pod' }), { status: 400, reason: 'BadRequest' });
      assert.equal((await put({ metadata: { name: 'here' } })).status, 201, 'kind and apiVersion may be missing');
    });
  });
}
