/** `k8s-lease-lock run`: a command under a lock. Reads its settings, finds the cluster, and hands both to the guard. */

import { EXIT } from '../../src/guard/exit-codes.ts';
import { guard } from '../../src/guard/guard.ts';
import { inheritedDescriptors } from '../../src/guard/inherited-fds.ts';
import { endsWithInit } from '../../src/guard/watchdog-needed.ts';
import { type RunSettings, readRunCommandLine } from '../options.ts';
import { podEvents } from '../pod/pod-events.ts';
import { selfWith } from '../respawn.ts';
import { obey, participantOf, type Surroundings } from '../run-command.ts';

/**
 * A watchdog does next to nothing, and is to take as little memory for it as Node can do with. It compiles and collects on its own thread: in so small
 * a heap one that compiles beside may wait for a collection while the process ends, which then waits for that thread, for ever.
 */
const WATCHDOG_FLAGS = [
  ...['--max-old-space-size=16', '--max-semi-space-size=1', '--single-threaded-gc'],
  ...['--no-concurrent-sparkplug', '--no-concurrent-recompilation'],
];

/** Loaded only where it is asked for: the metrics library costs what the rest of the guard does. */
async function serveHealth(...args: Parameters<typeof import('../pod/health.ts').serveHealth>) {
  return await (await import('../pod/health.ts')).serveHealth(...args);
}

export async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const descriptors = inheritedDescriptors();
  return await obey('run', readRunCommandLine(argv, env), env, (settings, surroundings) =>
    runUnderLock(settings, surroundings, { env, descriptors }),
  );
}

async function runUnderLock(
  settings: RunSettings,
  surroundings: Surroundings,
  { env, descriptors }: { env: NodeJS.ProcessEnv; descriptors: number[] },
): Promise<number> {
  const { clock, log } = surroundings;
  const participant = participantOf(settings, surroundings);
  const health = settings.healthPort === undefined ? undefined : await serveHealth(settings.healthPort, { clock, log });
  if (health?.kind === 'refused') {
    log('error', health.message);
    return EXIT.configuration.code;
  }
  const events = podEvents(participant.me, surroundings);
  const code = await guard({
    ...settings,
    participant,
    env,
    watchdog: endsWithInit() ? undefined : selfWith(WATCHDOG_FLAGS, 'watchdog'),
    terminal: process.stdin.isTTY === true,
    descriptors,
    log,
    listen(event) {
      health?.listen(event);
      events.listen(event);
    },
  });
  await events.sent();
  return code;
}
