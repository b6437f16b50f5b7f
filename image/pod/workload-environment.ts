/**
 * The environment of the command, when the guard was started by its launcher (image/executable/launcher.c): what was kept from the guard is given
 * back under its own name.
 */
const SAVED = 'K8S_LEASE_LOCK_SAVED_';

export function workloadEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name.startsWith(SAVED) ? name.slice(SAVED.length) : name, value]),
  );
}
