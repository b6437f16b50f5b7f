/** `k8s-lease-lock doctor`: why a lock does not work from here, each finding with its fix. It changes nothing. */
import { problemOfName } from '../../src/names.ts';
import { visible, visibleJson } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { type Colour, paintFor } from '../operate/colour.ts';
import { examine, type Finding } from '../operate/examine.ts';
import { CONNECTING, pick } from '../option-table.ts';
import { type ConnectSettings, connectSettings, given } from '../options.ts';
import { type OperateContext, operate } from '../run-command.ts';
import { printLine, terminalWidth } from '../stdout.ts';
import { wrapped } from '../wrapped.ts';

const OUTPUTS = ['text', 'json'] as const;

interface DoctorSettings extends ConnectSettings {
  name: string | undefined;
  output: (typeof OUTPUTS)[number];
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock doctor [NAME] [options]\n\n' +
    'Checks whether a lock can work from here: cluster, credentials, each right, the Lease, clocks, policy. It changes nothing.',
  options: pick([...CONNECTING, 'output'], { output: { choices: OUTPUTS, default: 'text' } }),
  operands: 'one',
  operand: { names: 'locks' },
};

export async function doctor(argv: readonly string[], env: Env): Promise<number> {
  const line = readInterleaved(SHAPE, argv, env);
  return await operate({ command: 'doctor', line, settingsOf: readSettings, env }, report);
}

function readSettings(read: Reader, [name]: readonly string[]): DoctorSettings {
  const problem = name === undefined ? undefined : problemOfName(name);
  if (problem !== undefined) throw new UsageError(problem);
  return { ...connectSettings(read), name, output: given(read.choice('output', OUTPUTS)) };
}

const MARKS: Record<Finding['result'], [string, Colour | undefined]> = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  problem: ['PROBLEM', 'red'],
  unknown: ['unknown', undefined],
};

const INDENT = ' '.repeat(18);

async function report({ name, output, ...settings }: DoctorSettings, { cluster, clock, env }: OperateContext): Promise<number> {
  const findings = await examine({ cluster, clock, name, namespace: settings.namespace ?? cluster.namespace });
  if (output === 'json') {
    await printLine(visibleJson({ findings }, 2));
    return exitCodeOf(findings);
  }
  const paint = paintFor(process.stdout.isTTY === true, env);
  const width = terminalWidth() ?? Number.POSITIVE_INFINITY;
  for (const { check, result, message, fix } of findings) {
    const [mark, colour] = MARKS[result];
    const told = wrapped(visible(message), width - INDENT.length, INDENT);
    await printLine(`${check.padEnd(9)}${paint(colour, mark)}${' '.repeat(9 - mark.length)}${told}`);
    // In one line: most of them are commands, to be copied.
    if (fix !== undefined) await printLine(`${INDENT}fix: ${visible(fix)}`);
  }
  return exitCodeOf(findings);
}

/** Of the first problem. */
function exitCodeOf(findings: readonly Finding[]): number {
  const problem = findings.find(({ result }) => result === 'problem');
  if (!problem) return 0;
  if (problem.kind === 'unreachable') return EXIT.unreachable.code;
  return problem.kind === 'refused' ? EXIT.refused.code : EXIT.configuration.code;
}
