/**
 * `k8s-lease-lock status` and `list`: who holds a lock and whether that one is alive, who waits, and what happens next. They read, and change nothing.
 * One request for each lock that is named, and one for all others together.
 */
import { leaseReader } from '../../src/api/lease-list.ts';
import { problemOfName } from '../../src/names.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { paintFor } from '../operate/colour.ts';
import { readLocks, type Wanted } from '../operate/locks.ts';
import { type Output, printLocks } from '../operate/print.ts';
import { watchLocks } from '../operate/watch.ts';
import { CONNECTING, MANAGED, OUTPUTS, pick } from '../option-table.ts';
import { type ConnectSettings, connectSettings, given } from '../options.ts';
import { type OperateContext, operate } from '../run-command.ts';
import { printLine, terminalWidth } from '../stdout.ts';

export interface StatusSettings extends ConnectSettings {
  names: readonly string[];
  allNamespaces: boolean;
  selector: string;
  output: Output;
  watch: boolean;
}

const NAMES = [...CONNECTING, 'all-namespaces', 'selector', 'output', 'watch'] as const;

export const SHAPES: Record<'status' | 'list', CommandLineShape> = {
  status: {
    usage:
      'Usage: k8s-lease-lock status [NAME...] [options]\n\n' +
      'Shows who holds locks, whether the holders are alive, who waits, and what happens next. Without a name: all locks.',
    options: pick(NAMES),
    operands: 'some',
    operand: { names: 'locks' },
  },
  list: {
    usage: 'Usage: k8s-lease-lock list [NAME...] [options]\n\nShows locks, a line for each. Without a name: all locks.',
    options: pick(NAMES, { output: { default: 'table' } }),
    operands: 'some',
    operand: { names: 'locks' },
  },
};

export async function status(command: keyof typeof SHAPES, argv: readonly string[], env: Env): Promise<number> {
  return await operate({ command, line: readInterleaved(SHAPES[command], argv, env), settingsOf: readSettings, env }, showStatus);
}

function readSettings(read: Reader, names: readonly string[]): StatusSettings {
  const allNamespaces = read.flag('all-namespaces');
  const problem = names.map(problemOfName).find((each) => each !== undefined);
  if (problem !== undefined) throw new UsageError(problem);
  if (allNamespaces && names.length > 0) throw new UsageError('a lock cannot be named together with --all-namespaces');
  if (read.texts('selector').length > 0 && names.length > 0)
    throw new UsageError('a lock cannot be named together with --selector');
  const output = given(read.choice('output', OUTPUTS));
  const watch = read.flag('watch');
  if (watch && !['text', 'table', 'wide'].includes(output)) throw new UsageError(`--watch cannot be combined with -o ${output}`);
  return {
    ...connectSettings(read),
    names,
    allNamespaces,
    selector: read.text('selector') ?? MANAGED,
    output,
    watch,
  };
}

async function showStatus(settings: StatusSettings, { clock, cluster, log, env }: OperateContext): Promise<number> {
  const { names, allNamespaces, selector, output } = settings;
  const namespace = allNamespaces ? undefined : (settings.namespace ?? cluster.namespace);
  const wanted: Wanted = { names, namespace, selector };
  const reader = leaseReader(cluster, clock);
  const printing = {
    output,
    single: names.length === 1,
    namespaces: allNamespaces,
    paint: paintFor(process.stdout.isTTY === true, env),
    columns: terminalWidth(),
  };
  try {
    if (settings.watch) return await watchLocks({ reader, wanted, clock, log, printing });
    const found = await readLocks(reader, wanted, clock);
    if (found.kind !== 'locks') return reportAnswer(found, log, reader.server);
    const { locks } = found;
    if (found.clock === 'own' && locks.length > 0)
      log('info', "the API server's answer has no date: times are by the clock of this machine");
    if (locks.length === 0) log('info', nothingFound(wanted));
    // A script reads an empty list.
    if (locks.length > 0 || output === 'json' || output === 'yaml')
      for (const line of await printLocks(locks, printing)) await printLine(line);
    return names.length > 0 && locks.some(({ kind }) => kind === 'absent') ? EXIT.no.code : 0;
  } finally {
    reader.close();
  }
}

/** As kubectl says it. */
function nothingFound({ namespace, selector }: Wanted): string {
  const where = namespace === undefined ? 'found' : `found in namespace ${namespace}`;
  return `no locks ${where}${selector === '' ? '' : ` (selector ${selector})`}`;
}
