/**
 * Command lines whose operands may stand among the options, as kubectl's may: `status deploy -n ci`. For the commands that an administrator types;
 * those that start with every job have a parser of their own (command-line.ts). Both read the same table, and print the same help.
 */
import { type CommandLine, type CommandLineShape, type Env, readerOf, UsageError } from './command-line.ts';
import { unexpectedArgument, unknownOption } from './habits.ts';
import { helpFor } from './help.ts';
import { HELP, type Option, withImplied } from './option.ts';

/** Throws UsageError. */
export async function readInterleaved(shape: CommandLineShape, argv: readonly string[], env: Env): Promise<CommandLine> {
  const { values, operands } = await parse([...shape.options, HELP], argv);
  if (values.has(HELP.name)) return { kind: 'help', text: helpFor(shape) };
  const [first, second] = operands;
  if (shape.operands === 'none' && first !== undefined)
    throw new UsageError(unexpectedArgument(first, shape.options, values.has('name')));
  if (shape.operands === 'one' && second !== undefined) throw new UsageError(`unexpected argument "${second}"`);
  return { kind: 'read', read: readerOf(shape, values, env), operands };
}

async function parse(options: readonly Option[], argv: readonly string[]) {
  const { default: yargs } = await import('yargs');
  const of = (flag: boolean) => options.filter(({ value }) => (value === undefined) === flag).map(({ name }) => name);
  const parsed = await yargs()
    .help(false)
    .version(false)
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'strip-aliased': true,
    })
    .boolean(of(true))
    .string(of(false))
    .string('_')
    .alias(Object.fromEntries(options.flatMap(({ name, alias }) => (alias === undefined ? [] : [[name, alias]]))))
    .fail((message) => {
      throw new UsageError(message);
    })
    .parseAsync(spelledOut(options, argv));
  const { _: before, '--': after = [], $0: _, ...given } = parsed as Record<string, unknown> & { _: unknown[]; '--'?: unknown[] };
  const values = new Map<string, string[]>();
  for (const [name, value] of Object.entries(given)) {
    const option = options.find((each) => each.name === name);
    if (!option) throw new UsageError(unknownOption(name.length === 1 ? `-${name}` : `--${name}`, options));
    values.set(name, textsOf(option, value));
  }
  return { values, operands: [...before, ...after].map(String) };
}

/** An option that is declared and not given is undefined. */
function textsOf(option: Option, value: unknown): string[] {
  const texts = (Array.isArray(value) ? value : [value]).map(String);
  if (option.value !== undefined && !option.mayBeEmpty && texts.includes(''))
    throw new UsageError(`--${option.name} needs a value: --${option.name} ${option.value}`);
  return texts;
}

/** `-oyaml` as `--output=yaml`, which yargs would take for five flags; and `--force`, which may have no value, as what it then means. */
export function spelledOut(options: readonly Option[], argv: readonly string[]): string[] {
  const end = argv.indexOf('--') < 0 ? argv.length : argv.indexOf('--');
  return argv.map((text, i) => {
    if (i >= end) return text;
    const [, letter, rest] = /^-([A-Za-z])=?(.+)$/.exec(text) ?? [];
    const option = options.find(({ alias, value }) => value !== undefined && alias === letter);
    return option && rest !== undefined ? `--${option.name}=${rest}` : withImplied(options, text);
  });
}
