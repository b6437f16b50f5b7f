// Lists, selectors, and the manners of HTTP: what is not found, not allowed, not understood.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { assertRefused, labs, lease } from './lab.ts';

for (const lab of await labs()) {
  describe(`listing Leases (${lab.name} API server)`, () => {
    it('a list has the version of the whole, and members without kind', async () => {
      await lab.put('listed', { holderIdentity: 'alice' });
      const { body } = await lab.request('GET', lab.path('', 'fieldSelector=metadata.name%3Dlisted'));
      assert.equal(body.kind, 'LeaseList');
      assert.equal(body.apiVersion, 'coordination.k8s.io/v1');
      const [item] = body.items;
      assert.equal(item?.kind, undefined);
      assert.equal(item?.spec.holderIdentity, 'alice');
      assert.ok(BigInt(body.metadata.resourceVersion) >= BigInt(item?.metadata.resourceVersion ?? '0'));
    });

    it('selectors choose by name and by label', async () => {
      const ns = await lab.namespace();
      const path = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases`;
      for (const [name, labels] of Object.entries({ l1: { app: 'x', tier: '1' }, l2: { app: 'y' }, l3: {} })) {
        await lab.request('PUT', `${path}/${name}`, lease(name, {}, { labels }));
      }
      for (const [query, expected] of [
        ['', 'l1 l2 l3'],
        ['fieldSelector=metadata.name=l1', 'l1'],
        ['fieldSelector=metadata.name!=l1', 'l2 l3'],
        [`fieldSelector=metadata.name==l1,metadata.namespace=${ns}`, 'l1'],
        ['fieldSelector=metadata.namespace=other', ''],
        ['labelSelector=app', 'l1 l2'],
        ['labelSelector=!app', 'l3'],
        ['labelSelector=app=x', 'l1'],
        ['labelSelector=app!=x', 'l2 l3'],
        ['labelSelector=app in (x,y),tier', 'l1'],
        ['labelSelector=app notin (x)', 'l2 l3'],
        ['labelSelector=tier>0', 'l1'],
      ] as const) {
        const encoded = query.replace(/=(.*)/, (_, value: string) => `=${encodeURIComponent(value)}`);
        const answer = await lab.request('GET', `${path}?${encoded}`);
        assert.equal(answer.body.items.map(({ metadata }) => metadata.name).join(' '), expected, query);
      }
      const everywhere = await lab.request('GET', '/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%3Dl3');
      assert.ok(everywhere.body.items.some(({ metadata }) => metadata.namespace === ns));
    });

    it('selectors and versions that cannot be read are refused', async () => {
      const list = (query: string) => lab.request('GET', lab.path('', query));
      assertRefused(await list('fieldSelector=spec.foo%3Dx'), {
        status: 400,
        reason: 'BadRequest',
        message: /^"spec\.foo" is not a known field selector/,
      });
      assertRefused(await list('fieldSelector=junk'), { status: 400, reason: 'BadRequest' });
      assertRefused(await list('labelSelector=app%20in%20x'), {
        status: 400,
        reason: 'BadRequest',
        message: /^unable to parse requirement: /,
      });
      assertRefused(await list('resourceVersion=x'), lab.answers.unreadResourceVersion);
    });

    it('a namespace without Leases has an empty list, whether it exists or not', async () => {
      const answer = await lab.request('GET', '/apis/coordination.k8s.io/v1/namespaces/no-such-namespace/leases');
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body.items, []);
    });
  });

  describe(`the manners of HTTP (${lab.name} API server)`, () => {
    it('every answer has a Date header', async () => {
      const answer = await lab.request('GET', lab.path('nobody'));
      assert.match(answer.headers.date ?? '', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    });

    it('a Lease that is missing is told apart from a resource that does not exist', async () => {
      assertRefused(await lab.request('GET', lab.path('nobody')), {
        status: 404,
        reason: 'NotFound',
        message: /^leases\.coordination\.k8s\.io "nobody" not found$/,
        details: { name: 'nobody', group: 'coordination.k8s.io', kind: 'leases' },
      });
      for (const path of [
        lab.path('nobody/status'),
        lab.path().replace('leases', 'locks'),
        '/apis/coordination.k8s.io/v7/leases',
      ]) {
        assertRefused(await lab.request('GET', path), {
          status: 404,
          reason: 'NotFound',
          message: /^the server could not find the requested resource$/,
          details: {},
        });
      }
      const nowhere = await lab.request('GET', '/nowhere');
      assert.equal(nowhere.status, 404);
      assert.equal(nowhere.text.trim(), '404 page not found');
    });

    it('a method that makes no sense there is 405', async () => {
      for (const [method, path] of [
        ['POST', lab.path('x')],
        ['PUT', lab.path()],
        ['PATCH', lab.path()],
        ['POST', '/apis/coordination.k8s.io/v1/leases'],
      ] as const) {
        assertRefused(await lab.request(method, path, lease('x')), { status: 405, reason: 'MethodNotAllowed' });
      }
    });

    it('a body that is no JSON object is 400, of another type 415, too large 413', async () => {
      for (const body of ['{"a":', '', '[]']) {
        const answer = await lab.request('PUT', lab.path('x'), body);
        assertRefused(answer, {
          status: 400,
          reason: 'BadRequest',
          message: /^the object provided is unrecognized \(must be of type Lease\): /,
        });
      }
      assertRefused(await lab.request('PUT', lab.path('x'), lease('x'), { contentType: 'text/plain' }), {
        status: 415,
        reason: 'UnsupportedMediaType',
      });
      assert.equal(
        (await lab.request('PUT', lab.path('y'), lease('y'), { contentType: 'application/json; charset=utf-8' })).status,
        201,
      );
      const huge = lease('z', { holderIdentity: 'x'.repeat(3 << 20) });
      assertRefused(await lab.request('PUT', lab.path('z'), huge), {
        status: 413,
        reason: 'RequestEntityTooLarge',
        message: /limit is 3145728$/,
      });
    });

    it('an answer of a kind that it does not have is 406', async () => {
      const answer = await lab.request('GET', lab.path(), undefined, { headers: { accept: 'text/plain' } });
      assertRefused(answer, { status: 406, reason: 'NotAcceptable' });
    });

    it('timeout= is a duration', async () => {
      assert.equal((await lab.put('timed', {}, {}, 'timeout=1m30s')).status, 201);
      assertRefused(await lab.put('timed', {}, {}, 'timeout=x'), {
        status: 400,
        reason: 'BadRequest',
        message: /invalid duration "x"$/,
      });
    });
  });

  // The embedded server takes every namespace for granted, so these are told by the real one alone.
  if (lab.name === 'embedded') continue;
  describe(`namespaces and rights (${lab.name} API server)`, () => {
    it('creating in a namespace that does not exist is 404 of the namespace', async () => {
      const answer = await lab.request('PUT', '/apis/coordination.k8s.io/v1/namespaces/no-such-namespace/leases/x', lease('x'));
      assertRefused(answer, {
        status: 404,
        reason: 'NotFound',
        message: /^namespaces "no-such-namespace" not found$/,
        details: { name: 'no-such-namespace', kind: 'namespaces' },
      });
    });

    it('rights on one name suffice to create by PUT, and not by POST', async () => {
      const { cluster } = lab;
      assert.ok(cluster);
      const token = await cluster.serviceAccountToken({ namespace: lab.ns, name: 'bob' });
      const to = [{ kind: 'ServiceAccount' as const, name: 'bob' }];
      await grant(cluster, { namespace: lab.ns, name: 'bob', verbs: SUFFICIENT, lock: 'granted', to });
      const put = (name: string) => lab.request('PUT', lab.path(name), lease(name), { token });
      // The authorizer learns of a new binding by its own watch.
      const giveUp = Date.now() + 10_000;
      let created = await put('granted');
      while (created.status === 403 && Date.now() < giveUp) created = await put('granted');
      assert.equal(created.status, 201, created.text);
      assertRefused(await put('other'), {
        status: 403,
        reason: 'Forbidden',
        message: /cannot (create|update) resource "leases"/,
      });
      assertRefused(await lab.request('POST', lab.path(), lease('granted2'), { token }), { status: 403, reason: 'Forbidden' });
      const watching = await lab.watch(lab.path('', 'fieldSelector=metadata.name%3Dgranted'), { token });
      assert.equal((await watching.next())?.type, 'ADDED');
      watching.close();
      assertRefused(await lab.request('GET', lab.path(), undefined, { token: 'none' }), { status: 401, reason: 'Unauthorized' });
    });
  });
}
