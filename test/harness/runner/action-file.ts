/** What an action.yml says of an action in JavaScript: its phases and its inputs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Action, Inputs } from './types.ts';

export function readAction(folder: string): Action {
  const { inputs = {}, runs } = parse(readFileSync(join(folder, 'action.yml'), 'utf8')) as {
    inputs?: Action['inputs'];
    runs: { using: string; pre?: string; main: string; post?: string; 'post-if'?: Action['postIf'] };
  };
  if (!/^node\d+$/.test(runs.using)) throw new Error(`not an action in JavaScript: ${folder}`);
  return { folder, inputs, pre: runs.pre, main: runs.main, post: runs.post, postIf: runs['post-if'] ?? 'always()' };
}

/** An input that is not given has its default, else an empty text. One that the action doesn't know is a warning on GitHub: here a mistake of the test. */
export function inputsOf({ inputs }: Action, given: Inputs): Record<string, string> {
  const unknown = Object.keys(given).find((name) => !(name in inputs));
  if (unknown !== undefined) throw new Error(`the action has no input ${unknown}`);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { default: standard = '' }]) => [
      `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
      given[name] ?? String(standard),
    ]),
  );
}
