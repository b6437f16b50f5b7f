/** act, which runs workflows without GitHub, and actionlint, which reads them: built from the Go modules that go.mod beside this file names. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goPrograms } from '../../cluster/go-programs.ts';

const MODULE = { folder: dirname(fileURLToPath(import.meta.url)), ldflags: '-s -w' };
const PACKAGES = { act: 'github.com/nektos/act', actionlint: 'github.com/rhysd/actionlint/cmd/actionlint' };

/** Their paths. Where they can't be had that is said, and under CI it is a failure. */
export async function workflowTools(): Promise<{ act: string; actionlint: string } | undefined> {
  const dir = await goPrograms(MODULE, PACKAGES);
  if (dir !== undefined) return { act: join(dir, 'act'), actionlint: join(dir, 'actionlint') };
  const missing = 'NOT TESTED: workflows under act and actionlint, since there is no Go to build them';
  if (process.env.CI) throw new Error(missing);
  process.stderr.write(`${missing}\n`);
  return undefined;
}
