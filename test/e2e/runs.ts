/** Guards with `run` on one API server, and their Leases. */
import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { type GuardOptions, guard, reach } from '../harness/guards.ts';
import type { ApiTarget } from '../harness/targets.ts';

/** To be called in a `describe`, which closes the target at its end. */
export function runsOn(target: ApiTarget) {
  after(() => target.close());
  const namespace = target.namespace('run');
  const pathOf = async (name: string) => `/apis/coordination.k8s.io/v1/namespaces/${await namespace}/leases/${name}`;
  return {
    namespace,
    pathOf,
    on: async (t: TestContext, name: string, args: string[], options?: GuardOptions) =>
      guard(t, ['run', ...reach(target), '-n', await namespace, '--name', name, ...args], options),
    leaseOf: async (name: string) => (await target.request('GET', await pathOf(name))).body,
    async overwrite(name: string, change: object) {
      const contentType = 'application/merge-patch+json';
      const { status, text } = await target.request('PATCH', await pathOf(name), change, { contentType });
      assert.equal(status, 200, text);
    },
  };
}
