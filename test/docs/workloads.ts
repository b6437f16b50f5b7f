/** The workloads that the documents and examples/ show, as manifests that can be applied, and the guard in what `inject` makes of them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BUNDLE } from '../harness/guards.ts';
import { fences, read, root } from './documents.ts';

/** Every workload that the documents show, as a manifest; in README the fields of a Pod stand alone. */
export function workloads(): { from: string; text: string }[] {
  const [annotated = '', ...parts] = fences('README.md', 'yaml').filter((text) => !text.startsWith('- uses'));
  const pods = parts.map(
    (part, i) => `apiVersion: v1\nkind: Pod\nmetadata: {name: pod-${i}}\nspec:\n${part.replace(/^/gm, '  ')}`,
  );
  const examples = globSync('examples/kubernetes/*.yaml', { cwd: root });
  assert.ok(pods.length === 2 && examples.length >= 5);
  return [
    ...[annotated, ...pods].map((text) => ({ from: 'README.md', text })),
    ...examples.map((path) => ({ from: path, text: read(path) })),
    ...['docs/image.md', 'docs/sidecar.md', 'docs/inject.md', 'docs/policies.md'].flatMap((path) =>
      fences(path, 'yaml').map((text) => ({ from: path, text })),
    ),
  ];
}

/** In the namespaces of a test, in place of those in the documents. */
export const placed = (text: string, { ci, locks }: { ci: string; locks: string }): string =>
  text
    .replaceAll('namespace: ci', `namespace: ${ci}`)
    .replaceAll('nightly-ci-default', `nightly-${ci}-default`)
    .replaceAll(/(namespace: |--namespace, )locks\b/g, `$1${locks}`);

export async function injected(text: string, folder: string): Promise<string> {
  const file = join(folder, 'original.yaml');
  writeFileSync(file, text);
  return (await promisify(execFile)(process.execPath, [BUNDLE, 'inject', '-f', file])).stdout;
}

interface Container {
  command?: string[];
  args?: string[];
  env?: { name: string; value: string }[];
}

export interface PodSpec {
  initContainers?: Container[];
  containers: Container[];
}

/** The guard in a Pod: its arguments, with a command of ours in place of the workload's, and its environment. */
export function guardIn({ initContainers = [], containers }: PodSpec): { args: string[]; env: Record<string, string> } {
  for (const { command = [], args = [], env = [] } of [...initContainers, ...containers]) {
    const line = [...command, ...args].filter((word) => word !== '/lease-lock/k8s-lease-lock');
    const workload = line[0] === 'run' ? [...line.slice(0, line.indexOf('--') + 1), 'sleep', '60'] : line;
    if (line[0] === 'run' || line[0] === 'hold')
      return { args: workload, env: Object.fromEntries(env.map(({ name, value }) => [name, value])) };
  }
  assert.fail('no container runs the guard');
}
