/** `k8s-lease-lock serve`: the embedded Lease server, until it is told to stop. */
import yargs from 'yargs';
import { startLeaseServer } from '../../src/server/server.ts';
import { EXIT } from '../exit-codes.ts';

export async function serve(argv: readonly string[]): Promise<number> {
  const options = await readOptions(argv);
  if (typeof options === 'number') return options;
  const report = (problem: string) => process.stderr.write(`k8s-lease-lock: ${problem}\n`);
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

async function readOptions(argv: readonly string[]): Promise<{ port: number; data?: string } | number> {
  let complaint: string | undefined;
  const parser = yargs([...argv])
    .usage(
      'Usage: k8s-lease-lock serve [options]\n\nA small server for Leases, for laptops, demos and tests. It is not a cluster.',
    )
    .help(false)
    .version(false)
    .option('port', { type: 'string', requiresArg: true, description: 'port on 127.0.0.1; 0 takes a free one (default: 8001)' })
    .option('data', { type: 'string', requiresArg: true, description: 'file to keep the Leases in (default: memory only)' })
    .option('help', { alias: 'h', type: 'boolean', description: 'show this' })
    .strict()
    .exitProcess(false)
    .fail((message) => {
      complaint = message;
    });
  const { port = '8001', data, help } = await parser.parseAsync();
  if (help) {
    process.stdout.write(`${await parser.getHelp()}\n`);
    return 0;
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535)
    complaint ??= `invalid value "${port}" for --port: use a number from 0 to 65535`;
  if (complaint === undefined) return { port: Number(port), ...(data !== undefined && { data }) };
  process.stderr.write(`k8s-lease-lock: ${complaint} (see "k8s-lease-lock serve --help")\n`);
  return EXIT.usage.code;
}
