/** The help of every command, from its usage and its options. */
import { HELP, type Option, variableOf } from './option.ts';

const HELP_COLUMN = 40;
const HELP_WIDTH = 110;

export function helpFor({ usage, options }: { usage: string; options: readonly Option[] }): string {
  const lines = [...options, HELP].map(
    ({ name, alias, value, implied, choices, default: preset, unset, noVariable, meaning }) => {
      const otherwise = preset ?? unset;
      const variable = noVariable ? '' : ` [${variableOf(name)}]`;
      const told = `${meaning}${variable}${otherwise === undefined ? '' : ` (default: ${otherwise})`}${choices ? ` (one of ${choices.join(', ')})` : ''}`;
      const written = `  ${alias ? `-${alias}, ` : '    '}--${name}${value ? (implied ? `[=${value}]` : ` ${value}`) : ''}`;
      return `${written.padEnd(HELP_COLUMN - 1)} ${wrapped(told)}`;
    },
  );
  const epilogue =
    'Each option can also be given by an environment variable: K8S_LEASE_LOCK_NAME, K8S_LEASE_LOCK_ON_BUSY, ...\nDurations are written as 90s, 15m or 1h30m.';
  return `${usage}\n\nOptions:\n${lines.join('\n')}\n\n${epilogue}`;
}

function wrapped(text: string): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > HELP_WIDTH - HELP_COLUMN) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(HELP_COLUMN)}`);
}
