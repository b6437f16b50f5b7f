/** The machine and the user that this process runs as, for people. */
import { hostname, userInfo } from 'node:os';

/** `user` is undefined where it has no name, as often in a container. */
export function hostInfo(): { host: string; user: string | undefined } {
  return { host: hostname(), user: userName() };
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // A container's user often has no name.
  }
}
