/** `k8s-lease-lock watchdog`: started by a guard, not by people. */
import { beWatchdog } from '../../src/guard/watchdog-process.ts';

export async function watchdog(): Promise<number> {
  await beWatchdog();
  return 0;
}
