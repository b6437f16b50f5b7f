/** The process around a watchdog: started by a guard, not by people. It ends by itself when guard and command have. */
import { systemClock } from '../clock.ts';
import { logTo } from '../log.ts';
import { keepWatch, READY } from './watchdog.ts';

export async function beWatchdog(): Promise<void> {
  // What ends a guard must not end its watchdog: that is when it is needed.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});
  const clock = systemClock();
  const log = logTo({ clock, format: 'text', level: 'error', fd: 2 });
  process.stdout.on('error', () => {}); // The guard died before it could listen: standard input tells.
  process.stdout.write(`${READY}\n`);
  await keepWatch(process.stdin, { clock, log });
  await log.flush();
}
