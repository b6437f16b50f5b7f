/**
 * The Action's inputs as they are given, one at a time. `pre` comes before the steps whose outputs an input may name: the runner leaves a gap there, so that
 * `deploy-${{ steps.x.outputs.env }}` arrives as `deploy-`. So a text is refused in `pre` only where nothing that fills its gaps can make it valid, and
 * counts as not given where something can.
 */
import { getInput, getState, saveState } from '@actions/core';
import { parseDuration } from '../src/durations.ts';

/** An invalid input: the message names it, the reason, and the fix. */
export class InputError extends Error {}

export type Phase = 'pre' | 'main' | 'post';

/** What is wrong with a text, and what its characters have to be so that more of them can help. */
export interface Rule {
  problemOf(given: string): string | undefined;
  characters: RegExp;
}

export interface Given {
  text(name: string): string | undefined;
  valid(name: string, rule: Rule): string | undefined;
  choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T;
  flag(name: string): boolean;
  /** In milliseconds. */
  duration(name: string, otherwise?: string): number | undefined;
  integer(name: string, range: { from: number; to: number }): number | undefined;
  /** The value, or undefined where it may be incomplete; else the problem is thrown. */
  unlessIncomplete<T>(read: () => T): T | undefined;
}

export function givenIn(phase: Phase): Given {
  const complete = phase !== 'pre';
  const refuse = (name: string, problem: string, completable: boolean): undefined => {
    if (complete || !completable) throw new InputError(`${name}: ${problem}`);
    return undefined;
  };
  const text = (name: string): string | undefined => getInput(name) || undefined;
  const valid = (name: string, { problemOf, characters }: Rule): string | undefined => {
    const given = text(name);
    const problem = given === undefined ? undefined : problemOf(given);
    return given === undefined || problem === undefined ? given : refuse(name, problem, isMadeOf(given, characters));
  };
  const choice = <T extends string>(name: string, choices: readonly [T, ...T[]]): T => {
    const given = text(name) ?? choices[0];
    const found = choices.find((known) => known === given);
    const problem = `invalid value "${given}": use one of ${choices.join(', ')}`;
    const completable = choices.some((known) => hasInOrder(known, given));
    return found ?? refuse(name, problem, completable) ?? choices[0];
  };
  return {
    text,
    valid,
    choice,
    flag: (name) => choice(name, ['false', 'true']) === 'true',
    duration(name, otherwise) {
      const given = text(name) ?? otherwise;
      if (given === undefined) return undefined;
      const parsed = parseDuration(given);
      if (parsed.kind === 'duration') return parsed.ms;
      return refuse(name, parsed.message, isMadeOf(given, /[\d.hms]/));
    },
    integer(name, { from, to }) {
      const given = text(name);
      if (given === undefined) return undefined;
      const number = /^-?\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
      if (number >= from && number <= to) return number;
      return refuse(name, `invalid value "${given}": use a whole number from ${from} to ${to}`, given === '-');
    },
    unlessIncomplete(read) {
      try {
        return read();
      } catch (error) {
        if (complete || !(error instanceof InputError)) throw error;
        return undefined;
      }
    },
  };
}

/** What may hold a secret is written to no file. */
const UNSAVED = ['TOKEN', 'GITHUB-TOKEN', 'KUBECONFIG', 'SERVER', 'RUN'].map((name) => `INPUT_${name}`);

const saveable = (env: NodeJS.ProcessEnv): string =>
  JSON.stringify(
    Object.entries(env)
      .filter(([name]) => name.startsWith('INPUT_') && !UNSAVED.includes(name))
      .sort(),
  );

/** For `post`, which may see other inputs: in a composite action those of whoever uses that. */
export const saveInputs = (env: NodeJS.ProcessEnv): void => saveState('inputs', saveable(env));

/** Puts back what was saved, if there are other inputs now; their secrets are not ours either. */
export function restoreInputs(env: NodeJS.ProcessEnv): void {
  const saved = getState('inputs');
  if (saved === '' || saved === saveable(env)) return;
  for (const name of Object.keys(env)) if (name.startsWith('INPUT_')) delete env[name];
  Object.assign(env, Object.fromEntries(JSON.parse(saved) as [string, string][]));
}

const isMadeOf = (text: string, characters: RegExp): boolean => [...text].every((character) => characters.test(character));

/** Whether text can be filled up to make whole. */
function hasInOrder(whole: string, text: string): boolean {
  let at = 0;
  for (const character of whole) if (character === text[at]) at += 1;
  return at === text.length;
}
