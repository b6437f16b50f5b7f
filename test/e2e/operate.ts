/** Commands that look at locks and change them, on one API server. */
import type { TestContext } from 'node:test';
import { type Finished, type Guard, guard, reach } from '../harness/guards.ts';
import type { ApiTarget } from '../harness/targets.ts';

export interface Operators {
  namespace: Promise<string>;
  /** Runs a command to its end, with the options that lead to the server. */
  command(t: TestContext, ...args: string[]): Promise<Finished>;
  /** A guard whose command lasts until it gets a line, once that runs. */
  holding(t: TestContext, name: string, ...options: string[]): Promise<Guard>;
  /** A guard in the queue. */
  waiting(t: TestContext, name: string, ...options: string[]): Promise<Guard>;
  lease(name: string): Promise<Awaited<ReturnType<ApiTarget['request']>>['body']>;
  /** The id that the spec names. */
  holderOf(name: string): Promise<string>;
  /** Writes as somebody else would. */
  put(name: string, fields: object, manager?: string): Promise<void>;
}

export function operatorsOn(target: ApiTarget): Operators {
  const namespace = target.namespace('operate');
  const where = async () => [...reach(target), '-n', await namespace];
  const pathOf = async (name: string) => `/apis/coordination.k8s.io/v1/namespaces/${await namespace}/leases/${name}`;
  const lease: Operators['lease'] = async (name) => (await target.request('GET', await pathOf(name))).body;
  const started = async (t: TestContext, name: string, options: string[], command: string[]) =>
    guard(t, ['run', ...(await where()), '--name', name, ...options, '--', ...command]);
  return {
    namespace,
    lease,
    command: async (t, ...[command = '', ...args]) => await guard(t, [command, ...(await where()), ...args]).finished,
    async holding(t, name, ...options) {
      const running = await started(t, name, options, ['sh', '-c', 'echo running; read _']);
      await running.prints(/running/);
      return running;
    },
    async waiting(t, name, ...options) {
      const queued = await started(t, name, options, ['true']);
      await queued.says(/waiting for Lease/);
      return queued;
    },
    holderOf: async (name) => (await lease(name)).spec?.holderIdentity ?? '',
    async put(name, fields, manager = 'somebody') {
      const { status, text } = await target.request('PUT', `${await pathOf(name)}?fieldManager=${manager}`, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace: await namespace },
        ...fields,
      });
      if (status >= 300) throw new Error(text);
    },
  };
}
