/** deploy/inject, for tests of workloads that ask by annotation to be guarded. */
import { fileURLToPath } from 'node:url';
import { until } from '../harness/until.ts';
import { kubectl } from './node.ts';

const INJECT = fileURLToPath(new URL('../../deploy/inject', import.meta.url));

/** Puts the policies in place that guard what is annotated, and waits until they are at work. */
export async function injectByAnnotation(): Promise<void> {
  await kubectl('apply', '-k', INJECT);
  const annotation = '--annotations=lease-lock.nullplatform.com/name=x';
  const pod = ['run', 'x', '--image=x', '--restart=Never', annotation, '--dry-run=server', '-o', 'yaml', '--command', '--', 'x'];
  await until(
    async () => /lease-lock-install/.test(await kubectl('-n', 'blue', ...pod).catch(() => '')),
    'the policies to be in force',
  );
}

export const injectNoMore = (): Promise<string> => kubectl('delete', '-k', INJECT);

/** Lets a Job begin that is suspended. */
export const resume = (namespace: string, job: string): Promise<string> =>
  kubectl('-n', namespace, 'patch', 'job', job, '--type=merge', '-p', '{"spec":{"suspend":false}}');
