/**
 * A page of docs/, walked as somebody reads it: the commands of a section are run as they stand there, with the names of the document
 * replaced by those that the reader sees on the screen.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Cluster } from '../harness/cluster.ts';
import { type Finished, PROGRAM, tempFolder } from '../harness/guards.ts';
import { read } from './documents.ts';

/** What the pages call the things of their reader. */
export const EXAMPLE = { namespace: 'ci', holder: 'user/runner-7/k3v9x0q2ab', waiter: '000018-8c1m3z5e2d' };

export interface Section {
  heading: string;
  /** Each is one or more lines of a shell. */
  blocks: string[];
}

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
  /** The program that the reader has installed: its command line, up to its first argument. */
  program?: readonly string[];
}

export interface Page {
  sections: readonly Section[];
  walker(t: TestContext, place: Place): Walker;
  /** The blocks that no walk has run yet: `heading: block`. */
  left(): string[];
}

export function pageAt(path: string): Page {
  const sections = sectionsOf(read(path));
  const walked = new Set<string>();
  return {
    sections,
    left: () =>
      sections
        .flatMap(({ heading, blocks }) => blocks.map((block) => `${heading}: ${block}`))
        .filter((each) => !walked.has(each)),
    walker(t, { cluster, namespace, kubeconfig = cluster.kubeconfigFor(cluster.adminToken, namespace), program = PROGRAM }) {
      const folder = tempFolder(t);
      const script = (name: string, text: string, mode = 0o755) =>
        writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode });
      script('k8s-lease-lock', `exec ${program.join(' ')} "$@"`);
      script('kubectl', `exec ${cluster.kubectl} "$@"`);
      script('deploy.sh', 'echo deployed', 0o644);
      const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: kubeconfig, HOME: folder };
      const names = new Map<string, string>([
        [`-n ${EXAMPLE.namespace}`, `-n ${namespace}`],
        [`=${EXAMPLE.namespace}:`, `=${namespace}:`],
        [`serviceaccount:${EXAMPLE.namespace}/`, `serviceaccount:${namespace}/`],
      ]);
      return {
        reads: (example, seen) => void names.set(example, seen),
        async follow(heading, block = 0) {
          const text = sections.find((each) => each.heading === heading)?.blocks[block];
          assert.ok(text, `${path} has no command ${block} under "${heading}"`);
          walked.add(`${heading}: ${text}`);
          const line = [...names].reduce((rest, [example, seen]) => rest.replaceAll(example, seen), text);
          return await shell(line, { cwd: folder, env });
        },
      };
    },
  };
}

function sectionsOf(text: string): Section[] {
  const [, ...parts] = text.split(/^#+ /m);
  return parts.map((part) => ({
    heading: part.slice(0, part.indexOf('\n')),
    blocks: [...part.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, block = '']) => block.trim()),
  }));
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
