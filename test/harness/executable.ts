/** The standalone executable, built from the bundle of this run. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BUNDLE } from './guards.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Its first program; the guard is below lib/ beside it. */
const program = `${root}build/executable/k8s-lease-lock-linux-${process.arch}/k8s-lease-lock`;

/** Builds it unless it is younger than the bundle. Test files run beside each other: one builds, the others wait. */
export async function executable(): Promise<string> {
  const age = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const building = `${root}build/executable-building`;
  while (age(`${dirname(program)}/licenses.txt`) <= age(BUNDLE)) {
    try {
      mkdirSync(building);
    } catch {
      await sleep(100);
      continue;
    }
    try {
      execFileSync(process.execPath, ['image/executable/build.mjs'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    } finally {
      rmSync(building, { recursive: true });
    }
  }
  return program;
}
