/**
 * What the library takes from the process that it runs in: its environment, its host, its user. The one file of the core that does; the
 * command line and the Action hand these in themselves.
 */
import { hostname, userInfo } from 'node:os';
import { env } from 'node:process';

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  host: string;
  user: string | undefined;
}

export function surroundings(): Surroundings {
  return { env, host: hostname(), user: userName() };
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // A container's user often has no name.
  }
}
