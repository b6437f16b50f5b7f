/**
 * `k8s-lease-lock inject`: the manifests in files, with the guard in each Pod and template that asks for it by annotations; for clusters that cannot run
 * the policies of deploy/inject, and for those who want to see what they apply. docs/inject.md says what is added.
 */
import { readFileSync } from 'node:fs';
import { documentAt } from '../../src/documents.ts';
import { type CommandLineShape, type Env, readCommandLine, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { DEFAULT_IMAGE, PREFIX } from '../inject/annotations.ts';
import { injectText, type Target } from '../inject/documents.ts';
import { pick } from '../option-table.ts';
import { complain, reportUsage } from '../run-command.ts';
import { printLine, write } from '../stdout.ts';

export const SHAPE: CommandLineShape = {
  usage: `Usage: k8s-lease-lock inject -f FILE [options] | kubectl apply -f -\n\nPrints manifests, with annotated Pods and templates guarded (${documentAt('inject.md')}).`,
  options: pick(['filename', 'image', 'kubernetes'], { image: { unset: `the annotation's, else ${DEFAULT_IMAGE}` } }),
  operands: 'none',
};

export async function inject(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('inject', async () => {
    const line = readCommandLine(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    const files = line.read.texts('filename');
    if (files.length === 0) throw new UsageError('-f is required: a file with manifests, or - for the standard input');
    const kubernetes = line.read.text('kubernetes');
    return await print(files, {
      image: line.read.text('image'),
      ...(kubernetes !== undefined && { kubernetesMinor: minorOf(kubernetes) }),
    });
  });
}

/** As the API server spells it, too: v1.28.15, 1.28.15-gke.100. */
function minorOf(version: string): number {
  const minor = /^v?1\.(\d+)([.+-].*)?$/.exec(version)?.[1];
  if (minor === undefined) throw new UsageError(`--kubernetes is "${version}": write its version, such as 1.28`);
  return Number(minor);
}

/** All or nothing: half of it would be applied as if it were the whole. */
async function print(files: readonly string[], target: Target): Promise<number> {
  const problems: string[] = [];
  const guarded: string[] = [];
  let printed = '';
  for (const file of files) {
    const name = file === '-' ? 'standard input' : file;
    const text = read(file);
    const done = typeof text === 'string' ? injectText(text, target) : { kind: 'refused' as const, problems: [text.problem] };
    if (done.kind === 'refused') problems.push(...done.problems.map((problem) => `${name}: ${problem}`));
    else {
      printed += `${separator(printed, done.text)}${done.text}`;
      guarded.push(...done.guarded.map((line) => `${name}: ${line}`));
    }
  }
  for (const problem of problems) complain(problem, EXIT.configuration.code);
  if (problems.length > 0) return EXIT.configuration.code;
  await write(printed);
  for (const line of guarded) complain(line, 0);
  if (guarded.length === 0) complain(`nothing is guarded: no Pod has an annotation ${PREFIX}name`, 0);
  return 0;
}

function separator(printed: string, next: string): string {
  if (printed === '') return '';
  return `${printed.endsWith('\n') ? '' : '\n'}${next.startsWith('---') ? '' : '---\n'}`;
}

function read(file: string): string | { problem: string } {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    return { problem: `cannot be read: ${(error as Error).message}` };
  }
}
