/** `k8s-lease-lock serve`: the embedded Lease server, until it is told to stop. */
import { startLeaseServer } from '../../src/server/server.ts';
import { visible } from '../../src/visible.ts';
import type { CommandLineShape, Env } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { pick } from '../option-table.ts';
import { given } from '../options.ts';
import { reportUsage } from '../run-command.ts';
import { printLine } from '../stdout.ts';

export const SHAPE: CommandLineShape = {
  usage: 'Usage: k8s-lease-lock serve [options]\n\nA small server for Leases, for laptops, demos and tests. It is not a cluster.',
  options: pick(['port', 'data']),
  operands: 'none',
};

export async function serve(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('serve', async () => {
    const line = await readInterleaved(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    const data = line.read.text('data');
    return await serveLeases({
      port: given(line.read.integer('port', { from: 0, to: 65_535 })),
      ...(data !== undefined && { data }),
    });
  });
}

async function serveLeases(options: { port: number; data?: string }): Promise<number> {
  const report = (problem: string) => process.stderr.write(`k8s-lease-lock: ${visible(problem)}\n`);
  try {
    const server = await startLeaseServer({ ...options, report });
    report(`serving Leases at ${server.url}, ${options.data ? `kept in ${options.data}` : 'in memory'}`);
    report('this is not a Kubernetes cluster: no users, no TLS, one process; for laptops, demos and tests');
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
    });
    await server.close();
    return 0;
  } catch (error) {
    report((error as Error).message);
    return EXIT.configuration.code;
  }
}
