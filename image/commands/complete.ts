/**
 * `k8s-lease-lock __complete WORD...`: what the last word may become, which is empty if nothing of it is typed yet; for the scripts that `completion`
 * prints, and for kubectl. It speaks cobra's protocol, as kubectl wants it: a candidate a line, with a tab and what it means, then `:4`; or `:0`
 * for the names of files. Of `--option=value` a candidate is the value alone. Whoever presses a key gets no complaint: what cannot be found
 * out is no candidate.
 */
import { visible } from '../../src/visible.ts';
import { type CommandLineShape, type Env, readerOf } from '../command-line.ts';
import { COMMANDS } from '../commands.ts';
import { readNames } from '../completion/names.ts';
import { type Candidate, readTyped, type Typed, unquoted } from '../completion/words.ts';
import { HELP, type Option } from '../option.ts';
import { printLine } from '../stdout.ts';

/** cobra's ShellCompDirectiveDefault and ShellCompDirectiveNoFileComp. */
const FILES = ':0';
const NO_FILES = ':4';

export async function complete(words: readonly string[], env: Env): Promise<number> {
  const [command = '', ...rest] = words.map((word) => unquoted(word, env));
  const candidates = rest.length === 0 ? commandsFor(command) : await candidatesOf(command, rest, env);
  for (const { value, about } of candidates === 'files' ? [] : candidates)
    await printLine(about === undefined ? value : `${value}\t${visible(about)}`);
  await printLine(candidates === 'files' ? FILES : NO_FILES);
  return 0;
}

const OTHERS: Candidate[] = [
  { value: 'help', about: 'show the options of a command' },
  { value: 'version', about: 'show the version' },
];

function commandsFor(typed: string): Candidate[] {
  const all = Object.entries(COMMANDS).map(([value, { summary }]) => ({ value, about: summary }));
  return startingWith(typed, [...all, ...OTHERS]);
}

const startingWith = (typed: string, candidates: readonly Candidate[]): Candidate[] =>
  candidates.filter(({ value }) => value.startsWith(typed));

async function candidatesOf(name: string, words: readonly string[], env: Env): Promise<Candidate[] | 'files'> {
  if (name === 'help') return words.length === 1 ? commandsFor(words[0] ?? '') : [];
  const shape = Object.hasOwn(COMMANDS, name) ? (await COMMANDS[name]?.load())?.shape : undefined;
  if (!shape) return [];
  const typed = readTyped(shape, words);
  switch (typed.kind) {
    case 'option':
      return startingWith(typed.text, optionsLeft(shape, typed));
    case 'value':
      return await valuesFor(typed.option, shape, typed, env);
    case 'operand':
      return await valuesFor(typed.at === 0 || shape.operands === 'some' ? shape.operand : undefined, shape, typed, env);
    case 'command':
      return 'files';
    default:
      return typed satisfies never;
  }
}

const optionsLeft = ({ options }: CommandLineShape, { values }: Typed): Candidate[] =>
  [...options, HELP]
    .filter(({ name }) => name === 'filename' || !values.has(name))
    .map(({ name, meaning }) => ({ value: `--${name}`, about: meaning }));

async function valuesFor(
  what: Pick<Option, 'choices' | 'names' | 'value'> | undefined,
  shape: CommandLineShape,
  { values, operands, text }: Typed,
  env: Env,
): Promise<Candidate[] | 'files'> {
  if (what?.choices)
    return startingWith(
      text,
      what.choices.map((value) => ({ value })),
    );
  if (what?.names) {
    const found = await readNames(what.names, { read: readerOf(shape, values, env), operands, env });
    return startingWith(
      text,
      found.filter(({ value }) => !operands.includes(value)),
    );
  }
  return what?.value === 'FILE' || what?.value === 'DIR' ? 'files' : [];
}
