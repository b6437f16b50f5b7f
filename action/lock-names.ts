/** The input `name`: one lock, or several that are held together. */
import { type LockName, lockNamesIn, problemOfLock, slug } from '../src/names.ts';
import { type Given, InputError, type Rule } from './given-inputs.ts';

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
export function locksIn({ text, valid, flag }: Given, due: boolean): LockName[] {
  const name = flag('slug') ? text('name') : valid('name', NAMES);
  const locks = flag('slug') && name !== undefined ? [{ namespace: undefined, name: slug(name) }] : lockNamesIn(name ?? '');
  if (locks.length === 0 && due) throw new InputError('name: required: the name of the lock, and of its Lease');
  return locks;
}
