/**
 * docs/troubleshooting.md, walked as somebody reads it: the commands of a section are run as they stand there, with the names of the document
 * replaced by those that the reader sees on the screen.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Cluster } from '../harness/cluster.ts';
import { BUNDLE, type Finished, tempFolder } from '../harness/guards.ts';
import { read } from './documents.ts';

export const PAGE = 'docs/troubleshooting.md';

/** What the page calls the things of its reader. */
export const EXAMPLE = { namespace: 'ci', holder: 'user/runner-7/k3v9x0q2ab', waiter: '000018-8c1m3z5e2d' };

export interface Section {
  heading: string;
  /** Each is one or more lines of a shell. */
  blocks: string[];
}

export function sections(): Section[] {
  const [, ...parts] = read(PAGE).split(/^#+ /m);
  return parts.map((part) => ({
    heading: part.slice(0, part.indexOf('\n')),
    blocks: [...part.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text = '']) => text.trim()),
  }));
}

/** Every block that a walk has run: `heading: block`. */
export const walked = new Set<string>();

export interface Walker {
  /** Runs that block of that section, the first one unless another is named, and returns what its last command said. */
  follow(heading: string, block?: number): Promise<Finished>;
  /** From now on the page's name for it is read as this. */
  reads(example: string, seen: string): void;
}

export interface Place {
  cluster: Cluster;
  namespace: string;
  kubeconfig?: string;
}

export function walker(
  t: TestContext,
  { cluster, namespace, kubeconfig = cluster.kubeconfigFor(cluster.adminToken, namespace) }: Place,
): Walker {
  const folder = tempFolder(t);
  const script = (name: string, text: string, mode = 0o755) =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode });
  script('k8s-lease-lock', `exec ${process.execPath} ${BUNDLE} "$@"`);
  script('kubectl', `exec ${cluster.kubectl} "$@"`);
  script('deploy.sh', 'echo deployed', 0o644);
  const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: kubeconfig, HOME: folder };
  const names = new Map<string, string>([
    [`-n ${EXAMPLE.namespace}`, `-n ${namespace}`],
    [`=${EXAMPLE.namespace}:`, `=${namespace}:`],
  ]);
  names.set(`serviceaccount:${EXAMPLE.namespace}/`, `serviceaccount:${namespace}/`);
  return {
    reads: (example, seen) => void names.set(example, seen),
    async follow(heading, block = 0) {
      const text = sections().find((each) => each.heading === heading)?.blocks[block];
      assert.ok(text, `${PAGE} has no command ${block} under "${heading}"`);
      walked.add(`${heading}: ${text}`);
      const line = [...names].reduce((rest, [example, seen]) => rest.replaceAll(example, seen), text);
      return await shell(line, { cwd: folder, env });
    },
  };
}

/** The lines are those of a person at a terminal: a failure does not end them, and the last one counts. */
function shell(line: string, { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv }): Promise<Finished> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', line], { cwd, env, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0;
      resolve({ code, signal: null, stdout, stderr });
    });
  });
}
