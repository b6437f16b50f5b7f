/** `k8s-lease-lock ui`: a page with all locks, on 127.0.0.1, until it is told to stop. */
import { leaseReader } from '../../src/api/lease-list.ts';
import type { CommandLineShape, Env, Reader } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { readLocks } from '../operate/locks.ts';
import { CONNECTING, MANAGED, pick } from '../option-table.ts';
import { type ConnectSettings, connectSettings, given } from '../options.ts';
import { type OperateContext, operate } from '../run-command.ts';
import { printLine } from '../stdout.ts';
import { act } from '../ui/acts.ts';
import { feedOf } from '../ui/feed.ts';
import { servePage } from '../ui/server.ts';

interface UiSettings extends ConnectSettings {
  allNamespaces: boolean;
  selector: string;
  port: number;
  write: boolean;
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock ui [options]\n\n' +
    'Shows locks, their holders and queues, and who has held them, on a web page of this machine (127.0.0.1) alone.',
  options: pick([...CONNECTING, 'all-namespaces', 'selector', 'port', 'write'], { port: { default: '0' } }),
  operands: 'none',
};

export async function ui(argv: readonly string[], env: Env): Promise<number> {
  return await operate({ command: 'ui', line: readInterleaved(SHAPE, argv, env), settingsOf: readSettings, env }, showPage);
}

const readSettings = (read: Reader): UiSettings => ({
  ...connectSettings(read),
  allNamespaces: read.flag('all-namespaces'),
  selector: read.text('selector') ?? MANAGED,
  port: given(read.integer('port', { from: 0, to: 65_535 })),
  write: read.flag('write'),
});

async function showPage(settings: UiSettings, context: OperateContext): Promise<number> {
  const { clock, cluster, log } = context;
  const { allNamespaces, selector, port, write } = settings;
  const namespace = allNamespaces ? undefined : (settings.namespace ?? cluster.namespace);
  const reader = leaseReader(cluster, clock);
  const server = await servePage({
    port,
    where: `${cluster.server}, ${namespace === undefined ? 'all namespaces' : `namespace ${namespace}`}`,
    namespaces: allNamespaces,
    feed: feedOf(() => readLocks(reader, { names: [], namespace, selector }, clock), clock),
    act: write ? (asked) => act(asked, settings, context) : undefined,
  }).catch((error: Error) => {
    log('error', error.message);
    return undefined;
  });
  if (!server) return EXIT.configuration.code;
  await printLine(server.url);
  log(
    'info',
    `this page is for this machine alone; ${write ? 'whoever has its address can change locks' : 'it changes nothing'}`,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  await server.close();
  reader.close();
  return 0;
}
