/**
 * The environment of the command, when the guard was started by its launcher (image/executable/launcher.c): what was kept from the guard is given
 * back under its own name.
 */
const SAVED = 'K8S_LEASE_LOCK_SAVED_';

/** Holds the process id of a guard whose launcher is process 1: then the container ends with it. An inner guard that inherits it has another id. */
const INIT = 'K8S_LEASE_LOCK_INIT';

/** Whether this process ends with its container, as its launcher says. */
export const endsWithContainer = (env: NodeJS.ProcessEnv, pid: number): boolean => env[INIT] === String(pid);

export function workloadEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env)
      .filter(([name]) => name !== INIT)
      .map(([name, value]) => [name.startsWith(SAVED) ? name.slice(SAVED.length) : name, value]),
  );
}
