/** The input `name`: one lock, or several that are held together. */
import { type LockName, lockNamesIn, problemOfLock, slug } from '../src/names.ts';
import type { Given, Rule } from './given-inputs.ts';

const NAMES: Rule = {
  problemOf(text) {
    const [problem] = lockNamesIn(text)
      .map(problemOfLock)
      .filter((one) => one !== undefined);
    return problem?.concat(', or set slug to true');
  },
  characters: /[-a-z0-9., /]/,
};
/** A slug is made of the whole text, commas included. */
export function locksIn({ text, valid, flag }: Given): LockName[] {
  if (!flag('slug')) return lockNamesIn(valid('name', NAMES) ?? '');
  const name = text('name');
  return name === undefined ? [] : [{ namespace: undefined, name: slug(name) }];
}
