/** One option of a command line: what the table (option-table.ts) says of each. */

/** Names that completion reads from the cluster: of locks, namespaces, the holders of a lock, and those that wait for it. */
export type Names = 'locks' | 'namespaces' | 'holders' | 'waiters';

export interface Option {
  name: string;
  alias?: string;
  /** How the value is written; absent for a flag. */
  value?: string;
  /** What it means that it is given without a value, where that is allowed. */
  implied?: string;
  /** An empty value has a meaning of its own. */
  mayBeEmpty?: boolean;
  choices?: readonly string[];
  /** It takes names that the cluster knows. */
  names?: Names;
  /** It has no variable: nobody should be able to set it for every command. */
  noVariable?: boolean;
  /** The value that is read where none is given. */
  default?: string;
  /** What it means that none is given, where that is not a value. */
  unset?: string;
  meaning: string;
}

/** An option that may have no value, spelled with what it then means: to a parser, the next argument would be its value. */
export function withImplied(options: readonly Option[], text: string): string {
  const implied = options.find(({ name, implied }) => implied !== undefined && text === `--${name}`)?.implied;
  return implied === undefined ? text : `${text}=${implied}`;
}

/** The environment variable of an option: `K8S_LEASE_LOCK_` and its name. */
export const variableOf = (option: string): string => `K8S_LEASE_LOCK_${option.toUpperCase().replaceAll('-', '_')}`;

export const HELP: Option = { name: 'help', alias: 'h', noVariable: true, meaning: 'show this help' };
