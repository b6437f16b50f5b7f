// Who wrote the renewal, and when, by the server's clock: what lets a newcomer see that a holder is long dead.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LATER, labs, MERGE, NOW, ownerOf } from './lab.ts';

const HOLDER = 'fieldManager=k8s-lease-lock';
const WAITER = 'fieldManager=k8s-lease-lock-waiter';
const PATIENCE_MS = 10_000;

for (const lab of await labs()) {
  describe(`ownership of fields (${lab.name} API server)`, () => {
    it("the entry that owns renewTime has the server's time of the write, in whole seconds", async () => {
      const answer = await lab.put('held', { holderIdentity: 'alice', renewTime: NOW }, {}, HOLDER);
      const owner = ownerOf(answer.body.metadata, 'renewTime');
      assert.equal(owner?.manager, 'k8s-lease-lock');
      assert.match(owner?.time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      const behindMs = Date.parse(answer.headers.date ?? '') - Date.parse(owner?.time ?? '');
      assert.ok(behindMs >= 0 && behindMs <= 2000, `the Date header is ${behindMs} ms after the entry`);
    });

    it("a waiter's write leaves the holder's entry and its time alone", async () => {
      const held = await lab.put('queue', { holderIdentity: 'alice', renewTime: NOW }, { annotations: { lock: '1' } }, HOLDER);
      const before = ownerOf(held.body.metadata, 'renewTime');
      // Until the server's clock shows another second, so that a time that moves along would be seen.
      let waited = held;
      const giveUp = Date.now() + PATIENCE_MS;
      for (let turn = 0; timeOf(waited.body, 'k8s-lease-lock-waiter') <= (before?.time ?? ''); turn++) {
        assert.ok(Date.now() < giveUp, 'the clock of the server stands still');
        waited = await lab.rewrite(
          'queue',
          ({ metadata }) => Object.assign(metadata.annotations ?? {}, { waiter: `bob ${turn}` }),
          WAITER,
        );
      }
      assert.deepEqual(ownerOf(waited.body.metadata, 'renewTime'), before);

      const renewed = await lab.rewrite('queue', ({ spec }) => Object.assign(spec, { renewTime: LATER }), HOLDER);
      const after = ownerOf(renewed.body.metadata, 'renewTime');
      assert.equal(after?.manager, 'k8s-lease-lock');
      assert.ok((after?.time ?? '') > (before?.time ?? ''), 'a renewal moves the time');
    });

    it('whoever changes a field owns it from then on, alone', async () => {
      await lab.put('passed', { holderIdentity: 'alice', renewTime: NOW }, {}, 'fieldManager=one');
      const { metadata } = (
        await lab.rewrite('passed', ({ spec }) => Object.assign(spec, { renewTime: LATER }), 'fieldManager=two')
      ).body;
      assert.equal(ownerOf(metadata, 'renewTime')?.manager, 'two');
      assert.equal(ownerOf(metadata, 'holderIdentity')?.manager, 'one');
    });

    it('the manager is what stands before the slash of the user agent, unless it is named', async () => {
      const answer = await lab.put('agent', { holderIdentity: 'alice' });
      assert.equal(ownerOf(answer.body.metadata, 'holderIdentity')?.manager, 'lease-lock-test');
      const long = await lab.put('agent2', {}, {}, `fieldManager=${'x'.repeat(129)}`);
      assert.equal(long.status, 422);
    });

    it('leaving managedFields out of a write keeps them', async () => {
      await lab.put('kept', { renewTime: NOW }, {}, HOLDER);
      const { metadata } = (
        await lab.rewrite(
          'kept',
          (read) => {
            delete read.metadata.managedFields;
            read.metadata.annotations = { waiter: 'bob' };
          },
          WAITER,
        )
      ).body;
      assert.equal(ownerOf(metadata, 'renewTime')?.manager, 'k8s-lease-lock');
    });

    it('an empty list turns the tracking off, and later writes do not turn it on again', async () => {
      for (const [name, reset] of [
        ['off', []],
        ['off2', [{}]],
      ] as const) {
        await lab.put(name, { renewTime: NOW }, {}, HOLDER);
        await lab.request('PATCH', lab.path(name), { metadata: { managedFields: reset } }, MERGE);
        const { metadata } = (await lab.rewrite(name, ({ spec }) => Object.assign(spec, { renewTime: LATER }), HOLDER)).body;
        assert.equal(metadata.managedFields, undefined);
      }
    });

    it('a Lease that was created with nothing to own is never tracked', async () => {
      await lab.put('empty', {}, {}, HOLDER);
      const { metadata } = (await lab.rewrite('empty', ({ spec }) => Object.assign(spec, { renewTime: LATER }), HOLDER)).body;
      assert.equal(metadata.managedFields, undefined);
    });

    it("another's write can put an older time on the holder's entry, so the time is no proof against malice", async () => {
      await lab.put('forged', { holderIdentity: 'alice', renewTime: NOW }, {}, HOLDER);
      const forge = (changeToo: object) =>
        lab.rewrite(
          'forged',
          ({ metadata }) => {
            for (const entry of metadata.managedFields ?? [])
              if (entry.manager === 'k8s-lease-lock') entry.time = '2020-01-01T00:00:00Z';
            Object.assign(metadata, changeToo);
          },
          WAITER,
        );
      const alone = await forge({});
      assert.notEqual(ownerOf(alone.body.metadata, 'renewTime')?.time, '2020-01-01T00:00:00Z', 'not when nothing else changes');
      const together = await forge({ annotations: { waiter: 'mallory' } });
      assert.deepEqual(ownerOf(together.body.metadata, 'renewTime'), { manager: 'k8s-lease-lock', time: '2020-01-01T00:00:00Z' });
    });

    it('entries that a client sends with a creation are ignored', async () => {
      const entry = {
        manager: 'forged',
        operation: 'Update',
        apiVersion: 'coordination.k8s.io/v1',
        time: '2020-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:renewTime': {} } },
      };
      const { metadata } = (await lab.put('invented', { renewTime: NOW }, { managedFields: [entry] }, HOLDER)).body;
      assert.deepEqual(
        metadata.managedFields?.map(({ manager }) => manager),
        ['k8s-lease-lock'],
      );
    });
  });
}

function timeOf({ metadata }: { metadata: { managedFields?: { manager: string; time: string }[] } }, manager: string): string {
  return metadata.managedFields?.find((entry) => entry.manager === manager)?.time ?? '';
}
