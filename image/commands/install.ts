/**
 * `k8s-lease-lock install DIR`: copies the guard into a volume, from where it guards a container of any other image. A command of its own, since
 * this image has no cp. Each file appears under its name as a whole: a guard that runs from there is not overwritten.
 */
import { chmod, copyFile, mkdir, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { documentAt } from '../../src/documents.ts';
import { type CommandLineShape, type Env, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportUsage } from '../run-command.ts';
import { printLine } from '../stdout.ts';

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock install DIR\n\n' +
    `Copies the guard into a volume that the guarded container mounts at /lease-lock (${documentAt('image.md')}).`,
  options: [],
  operands: 'one',
  operand: { value: 'DIR' },
};

export async function install(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('install', async () => {
    const line = await readInterleaved(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    const [to] = line.operands;
    if (to === undefined)
      throw new UsageError('the folder is missing: a volume that the guarded container mounts at /lease-lock');
    return await installInto(to);
  });
}

async function installInto(to: string): Promise<number> {
  const from = dirname(dirname(process.execPath));
  if (basename(process.execPath) !== 'guard') {
    process.stderr.write(
      `k8s-lease-lock: install copies the executable of the image, and this is not it (${documentAt('image.md')})\n`,
    );
    return EXIT.configuration.code;
  }
  try {
    await mkdir(join(to, 'lib'), { recursive: true });
    // The launcher last: once it is there, all is.
    for (const file of await readdir(join(from, 'lib'))) await place(join(from, 'lib', file), join(to, 'lib', file));
    await place(join(from, 'k8s-lease-lock'), join(to, 'k8s-lease-lock'));
    return 0;
  } catch (error) {
    process.stderr.write(`k8s-lease-lock: can't install into ${to}: ${(error as Error).message}\n`);
    return EXIT.configuration.code;
  }
}

async function place(from: string, to: string): Promise<void> {
  const unfinished = `${to}.${process.pid}`;
  await copyFile(from, unfinished);
  await chmod(unfinished, 0o555);
  await rename(unfinished, to);
}
