/** `k8s-lease-lock probe`: whether the sidecar of this Pod holds its lock, as an exit code; for an init container, or a script. */
import { type CommandLineShape, type Env, readCommandLine } from '../command-line.ts';
import { pick } from '../option-table.ts';
import { askHeld, STATUS_PORT } from '../pod/status-server.ts';
import { complain, reportUsage } from '../run-command.ts';
import { printLine } from '../stdout.ts';

const PATIENCE_MS = 1000;
export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock probe [options]\n\nExits with 0 if the sidecar of this Pod ("k8s-lease-lock hold") holds its lock, else with 1.',
  options: pick(['status-port'], { 'status-port': { default: String(STATUS_PORT) } }),
  operands: 'none',
};

export async function probe(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('probe', async () => {
    const line = readCommandLine(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    const port = line.read.integer('status-port', { from: 1, to: 65_535 }) ?? STATUS_PORT;
    const { held, message } = await askHeld(port, PATIENCE_MS);
    return held ? 0 : complain(`not held: ${message}`, 1);
  });
}
