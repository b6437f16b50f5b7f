/** Whether this process can die without its command: as process 1 of a process namespace it can't, since the kernel then ends all the others. */

/** Nothing else is certain: a parent 0 is also that of what is exec'd into a container, and whoever is below an init may have lost its parent. */
export function watchdogNeeded(): boolean {
  return process.pid !== 1;
}
