/** Guards on an embedded server of the file's own, each lock with a name of its own. */
import { readFileSync } from 'node:fs';
import { after, type TestContext } from 'node:test';
import { type Guard, type GuardOptions, guard, reach } from '../harness/guards.ts';
import { type ApiTarget, embeddedTarget } from '../harness/targets.ts';

export const target: ApiTarget = await embeddedTarget();
after(() => target.close());
export const namespace = await target.namespace('supervise');

/** The shortest lease that leaves time for a grace. */
export const SHORT = ['--lease-duration', '4s', '--kill-grace', '500ms'];

let locks = 0;
export const lockName = (): string => `lock-${++locks}`;

/** The arguments of a guard; `args` begin with options. */
export const runArguments = (name: string, args: string[]): string[] => [
  'run',
  ...reach(target),
  '-n',
  namespace,
  '--name',
  name,
  ...args,
];

export const run = (t: TestContext, name: string, args: string[], options?: GuardOptions): Guard =>
  guard(t, runArguments(name, args), options);

export const leasePath = (name: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;

export async function holderOf(name: string): Promise<string> {
  const { body } = await target.request('GET', leasePath(name));
  return body.spec?.holderIdentity ?? '';
}

/** Writes its own process id and those of what it starts, one a line, says that it is ready, and lasts. */
export const family = (file: string, more = ''): string[] => ['sh', '-c', `echo $$ >>${file}; ${more} echo ready; sleep 60`];
export const pidsIn = (file: string): number[] => readFileSync(file, 'utf8').trim().split('\n').map(Number);

/** The process ids of what a process has started, by any of its threads. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
}
