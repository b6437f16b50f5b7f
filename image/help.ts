/** The help of every command, from its usage and its options, and of all commands; as wide as the terminal, within reason. */
import { DOCUMENTS } from '../src/documents.ts';
import { HELP, type Option, variableOf } from './option.ts';
import { wrapped } from './wrapped.ts';

const HELP_COLUMN = 40;
/** Where it is no terminal, and at most: longer lines are hard to read. */
const WIDEST = 110;
const NARROWEST = 72;

export function helpFor({ usage, options }: { usage: string; options: readonly Option[] }, columns?: number): string {
  const width = widthFor(columns);
  const lines = [...options, HELP].map((option) => {
    const written = spelled(option);
    // What is longer than its column has a line of its own.
    const gap = written.length < HELP_COLUMN ? written.padEnd(HELP_COLUMN) : `${written}\n${' '.repeat(HELP_COLUMN)}`;
    return `${gap}${wrapped(told(option), width - HELP_COLUMN, ' '.repeat(HELP_COLUMN))}`;
  });
  const intro = usage.split('\n').map((line) => wrapped(line, width, ''));
  return [intro.join('\n'), `Options:\n${lines.join('\n')}`, epilogue(options)].join('\n\n');
}

/** What there is, a line for each command. */
export function overviewOf(summaries: Record<string, string>, columns?: number): string {
  const width = widthFor(columns);
  const lines = Object.entries(summaries).map(
    ([name, summary]) => `  ${name.padEnd(12)}${wrapped(summary, width - 14, ' '.repeat(14))}`,
  );
  return `Usage: k8s-lease-lock COMMAND [options]

${lines.join('\n')}

  k8s-lease-lock help COMMAND   show the options of a command (also -h, --help)
  k8s-lease-lock version        show the version (also -V, --version)
`;
}

const widthFor = (columns = process.stdout.columns ?? WIDEST): number => Math.max(NARROWEST, Math.min(columns, WIDEST));

const spelled = ({ name, alias, value, implied }: Option): string =>
  `  ${alias ? `-${alias}, ` : '    '}--${name}${value ? (implied ? `[=${value}]` : ` ${value}`) : ''}`;

function told({ name, choices, default: preset, unset, noVariable, meaning }: Option): string {
  const otherwise = preset ?? unset;
  return [
    meaning,
    ...(noVariable ? [] : [`[${variableOf(name)}]`]),
    ...(otherwise === undefined ? [] : [`(default: ${otherwise})`]),
    ...(choices ? [`(one of ${choices.join(', ')})`] : []),
  ].join(' ');
}

function epilogue(options: readonly Option[]): string {
  const durations = options.some(({ value }) => value === 'DURATION');
  const variable = options.find(({ noVariable }) => !noVariable);
  return [
    ...(variable ? ['Environment variables are in brackets; an empty one counts as unset.'] : []),
    ...(durations ? ['Durations are written as 90s, 15m or 1h30m.'] : []),
    `Documents: ${DOCUMENTS}`,
  ].join('\n');
}
