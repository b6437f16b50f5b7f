/**
 * From a command line and its environment to typed values. Reading stops at `--` or at the first operand; from there on everything belongs to the
 * command, byte for byte. Node's own parser, since a library would cost half of what a guard takes to start.
 */
import { parseArgs } from 'node:util';
import { parseDuration } from '../src/durations.ts';
import { unexpectedArgument, unknownOption } from './habits.ts';
import { helpFor } from './help.ts';
import { HELP, type Option, variableOf, withImplied } from './option.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** A command line that can't be read: the message is a sentence. */
export class UsageError extends Error {}

export interface CommandLineShape {
  usage: string;
  options: readonly Option[];
  /** Whether anything may follow the options. */
  operands: 'command' | 'none' | 'one' | 'some';
  /** What they are, for completion. */
  operand?: Pick<Option, 'names' | 'choices' | 'value'>;
}

export type CommandLine = { kind: 'read'; read: Reader; operands: readonly string[] } | { kind: 'help'; text: string };

/** Throws UsageError. */
export function readCommandLine(shape: CommandLineShape, argv: readonly string[], env: Env): CommandLine {
  const given = optionsPart(shape, argv);
  const values = valuesOf(shape, given.options);
  if (values.has('help')) return { kind: 'help', text: helpFor(shape) };
  const [first, second] = given.operands;
  if (shape.operands === 'none' && first !== undefined)
    throw new UsageError(unexpectedArgument(first, shape.options, values.has('name')));
  // `run deploy -- ./deploy.sh`
  if (second === '--' && !values.has('name') && !env[variableOf('name')])
    throw new UsageError(`--name is required: the lock is named by --name ${first}`);
  return { kind: 'read', read: readerOf(shape, values, env), operands: given.operands };
}

type ParseOptions = Record<string, { type: 'string' | 'boolean'; short?: string; multiple: true }>;

export function parserOptions({ options }: CommandLineShape): ParseOptions {
  return Object.fromEntries(
    [...options, HELP].map(({ name, value, alias }) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', multiple: true, ...(alias !== undefined && { short: alias }) },
    ]),
  );
}

const OPTIONS_MOST = 1000;

/** Where the command begins: the parser itself would look for options behind it, too. */
function optionsPart(shape: CommandLineShape, argv: readonly string[]): { options: string[]; operands: string[] } {
  // The parser recurses: a command may have a hundred thousand arguments.
  const args = argv.slice(0, OPTIONS_MOST).map((text) => withImplied(shape.options, text));
  const { tokens } = parseArgs({
    args,
    options: parserOptions(shape),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const first = tokens.find(({ kind }) => kind !== 'option');
  if (!first && argv.length > OPTIONS_MOST) throw new UsageError(`more than ${OPTIONS_MOST} arguments before the command`);
  if (!first) return { options: args, operands: [] };
  const operandsAt = first.kind === 'option-terminator' ? first.index + 1 : first.index;
  return { options: args.slice(0, first.index), operands: argv.slice(operandsAt) };
}

/** What was given, by option; of a flag, the texts are `true`. */
function valuesOf(shape: CommandLineShape, args: string[]): Map<string, string[]> {
  const { tokens } = parseArgs({ args, options: parserOptions(shape), strict: false, allowPositionals: true, tokens: true });
  const known = new Map([...shape.options, HELP].map((option) => [option.name, option]));
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = known.get(token.name);
    if (!option) throw new UsageError(unknownOption(token.rawName, shape.options));
    if (option.value !== undefined && token.value === undefined)
      throw new UsageError(`--${option.name} needs a value: --${option.name} ${option.value}`);
    if (option.value === undefined && token.value !== undefined && !/^(true|false)$/.test(token.value))
      throw new UsageError(`invalid value "${token.value}" for --${option.name}: use it alone, or with true or false`);
    values.set(option.name, [...(values.get(option.name) ?? []), token.value ?? 'true']);
  }
  return values;
}

export interface Reader {
  text(name: string): string | undefined;
  /** Of an option that may be given several times; it has no variable. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  /** In milliseconds. This and the following: that given, else the option's default, else undefined. */
  duration(name: string): number | undefined;
  integer(name: string, range: { from: number; to: number }): number | undefined;
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined;
}

/** Reads an option from the command line, else from its variable, else its default; every complaint names the one that it was. */
export function readerOf({ options }: CommandLineShape, values: Map<string, string[]>, env: Env): Reader {
  const find = (name: string) => findValue(name, options, values, env);
  return {
    text(name) {
      const found = find(name);
      if (found?.value === '' && !options.find((option) => option.name === name)?.mayBeEmpty)
        throw new UsageError(`${found.where} is empty`);
      return found?.value;
    },
    texts: (name) => values.get(name) ?? [],
    flag(name) {
      const found = find(name);
      if (!found) return false;
      if (found.value !== 'true' && found.value !== 'false')
        throw new UsageError(`invalid value "${found.value}" for ${found.where}: use true or false`);
      return found.value === 'true';
    },
    duration(name) {
      const found = find(name);
      if (!found) return undefined;
      const duration = parseDuration(found.value);
      if (duration.kind === 'refused') throw new UsageError(`${found.where}: ${duration.message}`);
      return duration.ms;
    },
    integer(name, { from, to }) {
      const found = find(name);
      if (!found) return undefined;
      const number = /^-?\d{1,10}$/.test(found.value) ? Number(found.value) : Number.NaN;
      if (!(number >= from && number <= to))
        throw new UsageError(`invalid value "${found.value}" for ${found.where}: use a whole number from ${from} to ${to}`);
      return number;
    },
    choice(name, choices) {
      const found = find(name);
      if (!found) return undefined;
      const choice = choices.find((known) => known === found.value);
      if (choice === undefined)
        throw new UsageError(`invalid value "${found.value}" for ${found.where}: use one of ${choices.join(', ')}`);
      return choice;
    },
  };
}

/** What was given, else what the variable says, unless it is empty, else the default; and where that stands, for complaints. */
function findValue(
  name: string,
  options: readonly Option[],
  values: Map<string, string[]>,
  env: Env,
): { value: string; where: string } | undefined {
  const [given, ...more] = values.get(name) ?? [];
  if (more.length > 0) throw new UsageError(`--${name} is given ${more.length + 1} times: give it once`);
  if (given !== undefined) return { value: given, where: `--${name}` };
  const option = options.find((each) => each.name === name);
  const variable = variableOf(name);
  const value = option?.noVariable ? undefined : env[variable];
  if (value !== undefined && value !== '') return { value, where: variable };
  const otherwise = option?.default;
  return otherwise === undefined ? undefined : { value: otherwise, where: `--${name}` };
}
