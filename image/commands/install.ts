/**
 * `k8s-lease-lock install DIR`: copies the guard into a volume, from where it guards a container of any other image. A command of its own, since
 * this image has no cp. Each file appears under its name as a whole: a guard that runs from there is not overwritten.
 */
import { chmod, copyFile, mkdir, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EXIT } from '../exit-codes.ts';

export async function install(argv: readonly string[]): Promise<number> {
  const [to, ...more] = argv;
  if (to === undefined || to.startsWith('-') || more.length > 0) {
    process.stderr.write('k8s-lease-lock: install takes one folder, a volume that the guarded container mounts at /lease-lock\n');
    return EXIT.usage.code;
  }
  const from = dirname(dirname(process.execPath));
  if (basename(process.execPath) !== 'guard') {
    process.stderr.write('k8s-lease-lock: install copies the executable of the image, and this is not it (docs/image.md)\n');
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
