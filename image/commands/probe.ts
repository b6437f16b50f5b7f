/** `k8s-lease-lock probe`: whether the sidecar of this Pod holds its lock, as an exit code; for an init container, or a script. */
import { EXIT } from '../../src/guard/exit-codes.ts';
import { readProbeCommandLine } from '../hold-options.ts';
import { askHeld } from '../pod/held-page.ts';

const PATIENCE_MS = 1000;

export async function probe(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const line = readProbeCommandLine(argv, env);
  if (line.kind === 'help') process.stdout.write(`${line.text}\n`);
  if (line.kind === 'help') return 0;
  if (line.kind !== 'settings') {
    process.stderr.write(`k8s-lease-lock: ${line.message} (see "k8s-lease-lock probe --help")\n`);
    return EXIT.usage.code;
  }
  const { held, words } = await askHeld(line.settings.probePort, PATIENCE_MS);
  if (!held) process.stderr.write(`k8s-lease-lock: not held: ${words}\n`);
  return held ? 0 : 1;
}
