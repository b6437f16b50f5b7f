/** The tests that need no Linux; workflows.test.ts holds that none of them uses what other systems lack. */
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export const FILES = [
  'test/{clock,durations,visible}.test.ts',
  'test/protocol/*.test.ts',
  'test/lock/*.test.ts',
  'test/guard/simulated/*.test.ts',
  'test/api/{answers,lease-client,lease-list,lease-watch,write-answers}.test.ts',
  'test/image/options.test.ts',
  'test/portable/program.test.ts',
];
