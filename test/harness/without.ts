/** Programs of other people that few machines have. */
import { spawnSync } from 'node:child_process';

/** Why a test is left out here: a program is missing. In CI that is a failure of the test itself. */
export function without(...programs: string[]): string | false {
  const missing = programs.find((name) => spawnSync('sh', ['-c', 'command -v "$0"', name]).status !== 0);
  return missing !== undefined && !process.env.CI && `it takes ${missing}`;
}
