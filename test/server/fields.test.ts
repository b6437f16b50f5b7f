// What a Lease may say: times, numbers, names, unknown fields; what is kept, dropped or refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertRefused, labs, lease, NOW } from './lab.ts';

let count = 0;
const fresh = () => `lease-${++count}`;

for (const lab of await labs()) {
  describe(`the fields of a Lease (${lab.name} API server)`, () => {
    it('a time with six fractional digits is kept, and printed in UTC', async () => {
      for (const [sent, kept] of [
        [NOW, NOW],
        ['2026-11-24T05:59:47.000000Z', '2026-11-24T05:59:47.000000Z'],
        ['2026-11-24T05:59:47.123456+02:00', '2026-11-24T03:59:47.123456Z'],
        ['2026-11-24T00:30:47,123456-23:30', '2026-11-25T00:00:47.123456Z'],
        ['1969-11-24T05:59:47.123456Z', '1969-11-24T05:59:47.123456Z'],
        ['2028-02-29T05:59:47.123456Z', '2028-02-29T05:59:47.123456Z'],
        ['0001-01-01T00:00:00.000000Z', null],
        [null, undefined],
      ]) {
        const answer = await lab.put(fresh(), { renewTime: sent });
        assert.equal(answer.status, 201, `${sent}: ${answer.text}`);
        assert.equal(answer.body.spec.renewTime, kept);
      }
    });

    it('any other form of a time is refused, and the message says where it fails', async () => {
      for (const [sent, why] of [
        ['2026-11-24T05:59:47Z', /cannot parse "Z" as "\.000000"$/],
        ['2026-11-24T05:59:47.123Z', /cannot parse "\.123Z" as "\.000000"$/],
        ['2026-11-24T05:59:47.123456789Z', /cannot parse "789Z" as "Z07:00"$/],
        ['2026-11-24T05:59:47.123456', /cannot parse "" as "Z07:00"$/],
        ['2026-11-24T05:59:47.123456+0200', /cannot parse "\+0200" as "Z07:00"$/],
        ['2026-11-24 05:59:47.123456Z', /cannot parse " 05:59:47\.123456Z" as "T"$/],
        ['', /cannot parse "" as "2006"$/],
        ['2026-02-30T05:59:47.123456Z', /: day out of range$/],
        ['2027-02-29T05:59:47.123456Z', /: day out of range$/],
        ['2026-11-24T24:00:00.000000Z', /: hour out of range$/],
        ['2026-11-24T05:59:60.000000Z', /: second out of range$/],
        [17, /cannot unmarshal number into Go struct field LeaseSpec\.spec\.renewTime of type string$/],
      ] as const) {
        assertRefused(await lab.put(fresh(), { renewTime: sent }), { status: 400, reason: 'BadRequest', message: why });
      }
    });

    it('numbers are bounded', async () => {
      const invalid = (field: string, message: string) => ({ reason: 'FieldValueInvalid', message, field: `spec.${field}` });
      const duration = invalid('leaseDurationSeconds', 'Invalid value: 0: must be greater than 0');
      const transitions = invalid('leaseTransitions', 'Invalid value: -1: must be greater than or equal to 0');
      const answer = await lab.put('numbers', { leaseDurationSeconds: 0, leaseTransitions: -1 });
      assertRefused(answer, {
        status: 422,
        reason: 'Invalid',
        message: /^Lease\.coordination\.k8s\.io "numbers" is invalid: \[spec\.leaseDurationSeconds: /,
      });
      assert.deepEqual(answer.body.details, {
        name: 'numbers',
        group: 'coordination.k8s.io',
        kind: 'Lease',
        causes: [duration, transitions],
      });
      assert.equal((await lab.put('numbers', { leaseDurationSeconds: 2_147_483_647, leaseTransitions: 0 })).status, 201);
    });

    it('values of another type are refused before they are validated', async () => {
      for (const spec of [
        { leaseDurationSeconds: 1.5 },
        { leaseDurationSeconds: '5' },
        { leaseDurationSeconds: 2 ** 31 },
        { holderIdentity: 5 },
      ]) {
        assertRefused(await lab.put(fresh(), spec), {
          status: 400,
          reason: 'BadRequest',
          message: /json: cannot unmarshal .* into Go struct field LeaseSpec\.spec\./,
        });
      }
      assertRefused(await lab.put(fresh(), {}, { annotations: { a: 1 } }), {
        status: 400,
        reason: 'BadRequest',
        message: /field ObjectMeta\.metadata\.annotations of type string$/,
      });
    });

    it('null is nothing; in a map it is the empty string', async () => {
      const answer = await lab.put(
        fresh(),
        { holderIdentity: null, leaseDurationSeconds: null },
        { labels: null, annotations: { a: null } },
      );
      assert.deepEqual(answer.body.spec, {});
      assert.equal(answer.body.metadata.labels, undefined);
      assert.deepEqual(answer.body.metadata.annotations, { a: '' });
    });

    it('an empty holder is kept, and so are labels and annotations', async () => {
      const metadata = { labels: { app: 'x' }, annotations: { 'lease-lock.nullplatform.com/lock': '{"v":1}', Upper: 'ok' } };
      const answer = await lab.put(fresh(), { holderIdentity: '' }, metadata);
      assert.equal(answer.status, 201, answer.text);
      assert.deepEqual(answer.body.spec, { holderIdentity: '' });
      assert.deepEqual(answer.body.metadata.labels, metadata.labels);
      assert.deepEqual(answer.body.metadata.annotations, metadata.annotations);
    });

    it('strategy and preferredHolder are dropped: coordinated election is off by default', async () => {
      const answer = await lab.put(fresh(), {
        strategy: 'OldestEmulationVersion',
        preferredHolder: 'bob',
        holderIdentity: 'alice',
      });
      assert.equal(answer.status, 201);
      assert.deepEqual(answer.body.spec, { holderIdentity: 'alice' });
      assert.equal(answer.headers.warning, lab.answers.coordinatedWarning);
    });

    it('unknown fields are dropped with a warning, or refused if the client wants that', async () => {
      const answer = await lab.put('unknown', { extra: 1 }, { more: 2 });
      assert.equal(answer.status, 201);
      assert.deepEqual(answer.body.spec, {});
      assert.match(
        String(answer.headers.warning),
        /299 - "unknown field \\?"metadata\.more\\?"", 299 - "unknown field \\?"spec\.extra\\?""/,
      );
      assertRefused(await lab.put('unknown2', { extra: 1 }, {}, 'fieldValidation=Strict'), {
        status: 400,
        reason: 'BadRequest',
        message: /strict decoding error: unknown field "spec\.extra"$/,
      });
      assert.equal((await lab.put('unknown3', { extra: 1 }, {}, 'fieldValidation=Ignore')).headers.warning, undefined);
    });

    it('names, labels and annotations have to be well formed', async () => {
      for (const [name, metadata, field] of [
        ['A_b', {}, 'metadata.name'],
        ['a'.repeat(254), {}, 'metadata.name'],
        ['ok', { labels: { 'a b': 'x' } }, 'metadata.labels'],
        ['ok', { labels: { a: 'x y' } }, 'metadata.labels'],
        ['ok', { annotations: { 'a/b/c': 'x' } }, 'metadata.annotations'],
        ['ok', { annotations: { '/c': 'x' } }, 'metadata.annotations'],
      ] as const) {
        const answer = await lab.put(name, {}, metadata);
        assertRefused(answer, { status: 422, reason: 'Invalid' });
        assert.equal(answer.body.details?.causes?.[0]?.field, field);
        assert.equal(answer.body.details?.causes?.[0]?.reason, 'FieldValueInvalid');
      }
    });

    it('all annotations together may have 256 KiB', async () => {
      assert.equal((await lab.put(fresh(), {}, { annotations: { big: 'x'.repeat(256 * 1024 - 3) } })).status, 201);
      const answer = await lab.put('big', {}, { annotations: { big: 'x'.repeat(256 * 1024 - 2) } });
      assertRefused(answer, {
        status: 422,
        reason: 'Invalid',
        message: lab.answers.annotationsTooLong,
      });
    });

    it('a name is required, or a prefix for one', async () => {
      assertRefused(await lab.request('POST', lab.path(), lease('')), {
        status: 422,
        reason: 'Invalid',
        message: /name or generateName is required$/,
      });
      const answer = await lab.request('POST', lab.path(), lease('', {}, { generateName: 'made-' }));
      assert.match(answer.body.metadata.name, /^made-.{5}$/);
    });
  });
}
