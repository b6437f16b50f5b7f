/** Whether this process can die without its command: not as the first process of a container, nor right below an init that ends with it. */
import { readFileSync } from 'node:fs';

/** The small ones that run one child and end with it; what boots a machine is not among them. */
const INITS = ['k8s-lease-lock', 'tini', 'docker-init', 'dumb-init', 'catatonit'];

export function endsWithInit(): boolean {
  // Parent 0 is one outside of our view: we are a container's first process in a process namespace shared by its Pod.
  if (process.pid === 1 || process.ppid === 0) return true;
  if (process.ppid !== 1) return false;
  try {
    return INITS.includes(readFileSync('/proc/1/comm', 'utf8').trim());
  } catch {
    return false; // No /proc: unknown, so the watchdog is on.
  }
}
