/** What a word of a command line that is not finished yet is: an option, the value of one, an operand, or part of a command. Pure. */
import { parseArgs } from 'node:util';
import { type CommandLineShape, type Env, parserOptions } from '../command-line.ts';
import { spelledOut } from '../interleaved.ts';
import type { Option } from '../option.ts';

export interface Candidate {
  value: string;
  about?: string;
}

export type Typed = {
  /** What is typed of it; of `--option=value` the value alone. */
  text: string;
  /** Given before, by option. */
  values: Map<string, string[]>;
  operands: readonly string[];
} & (
  | { kind: 'option' }
  | { kind: 'value'; option: Option }
  /** `at`: how many operands come before it. */
  | { kind: 'operand'; at: number }
  /** The command that is to be run, from its second word on. */
  | { kind: 'command' }
);

/** The last word is the one. */
export function readTyped(shape: CommandLineShape, words: readonly string[]): Typed {
  const text = words.at(-1) ?? '';
  const { values, operands, open, ended } = readBefore(shape, words.slice(0, -1));
  const before = { text, values, operands };
  if (open) return { ...before, kind: 'value', option: open };
  if (shape.operands === 'command' && operands.length > 0) return { ...before, kind: 'command' };
  if (ended || !text.startsWith('-')) return { ...before, kind: 'operand', at: operands.length };
  const [, name, value] = /^--([^=]+)=(.*)$/s.exec(text) ?? [];
  const option = shape.options.find((each) => each.name === name);
  return option && value !== undefined ? { ...before, kind: 'value', option, text: value } : { ...before, kind: 'option' };
}

interface Before {
  values: Map<string, string[]>;
  operands: string[];
  /** The last word is an option whose value comes next. */
  open: Option | undefined;
  /** What follows is no option. */
  ended: boolean;
}

function readBefore(shape: CommandLineShape, words: readonly string[]): Before {
  const args = spelledOut(shape.options, words);
  const { tokens } = parseArgs({ args, options: parserOptions(shape), strict: false, allowPositionals: true, tokens: true });
  const found: Before = { values: new Map(), operands: [], open: undefined, ended: false };
  for (const token of tokens) {
    if (token.kind === 'option-terminator') found.ended = true;
    if (token.kind === 'positional') found.operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = shape.options.find(({ name }) => name === token.name);
    if (option?.value !== undefined && token.value === undefined) found.open = option;
    else found.values.set(token.name, [...(found.values.get(token.name) ?? []), token.value ?? 'true']);
  }
  return found;
}

/** As the shell would hand it to the program: bash gives the words of a line as they are typed. */
export function unquoted(word: string, { HOME }: Env): string {
  const home = HOME && /^~(?=\/|$)/.test(word) ? `${HOME}${word.slice(1)}` : word;
  return home.replace(/\\(.)|'([^']*)'?|"((?:\\.|[^"\\])*)"?/gs, (_, escaped, single, double) =>
    String(escaped ?? single ?? double.replace(/\\(["\\$`])/g, '$1')),
  );
}
