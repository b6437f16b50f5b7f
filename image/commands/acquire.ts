/**
 * `k8s-lease-lock acquire` and `release`: a lock over several processes, as two commands that know the same holder. Nothing renews it in between,
 * and nothing is stopped when its time is over: for pipelines, and for Pods where a sidecar is not to be had.
 */

import { tellOf } from '../../src/guard/event-log.ts';
import { EXIT } from '../../src/guard/exit-codes.ts';
import { notHeld } from '../../src/guard/not-held.ts';
import { openSignalInbox } from '../../src/guard/signals.ts';
import { podOf, sharedIdentity } from '../../src/lock/identity.ts';
import { acquire as acquireLock, type Participant, type Released } from '../../src/lock/index.ts';
import { holdsAlready } from '../../src/lock/new-participant.ts';
import { withdraw } from '../../src/lock/release.ts';
import { formatDuration } from '../../src/protocol/timings.ts';
import { type AcquireSettings, readAcquireCommandLine, readReleaseCommandLine } from '../hold-options.ts';
import type { JoinSettings } from '../options.ts';
import { obey, participantOf, type Surroundings } from '../run-command.ts';

export async function acquire(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await obey('acquire', readAcquireCommandLine(argv, env), env, take);
}

export async function release(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await obey('release', readReleaseCommandLine(argv, env), env, giveBack);
}

async function take(settings: AcquireSettings, surroundings: Surroundings): Promise<number> {
  const { clock, log } = surroundings;
  const participant = shared(settings, surroundings);
  if (!participant) return EXIT.configuration.code;
  const inbox = openSignalInbox();
  const { onBusy, conflictExitCode } = settings;
  const timeoutMs = settings.timeoutMs ?? (onBusy === 'wait' ? undefined : 0);
  // Whoever adds time to a lock of his does not lose it by being ended meanwhile.
  const signal = (await holdsAlready(participant)) ? undefined : inbox.ending;
  const acquisition = await acquireLock(participant, { timeoutMs, signal });
  if (acquisition.kind !== 'held') return notHeld(acquisition, { clock, log, onBusy, conflictExitCode, ending: inbox.ending });
  const { lock } = acquisition;
  lock.abandon();
  const left = formatDuration(Math.max(0, lock.expiresAt() - clock.now()));
  log('info', `it is held as ${lock.holder} for ${left} at most: nobody renews it`);
  return 0;
}

async function giveBack(settings: JoinSettings, surroundings: Surroundings): Promise<number> {
  const { log } = surroundings;
  const participant = shared(settings, surroundings);
  if (!participant) return EXIT.configuration.code;
  const { me } = participant;
  const subject = `Lease ${me.namespace}/${me.name}`;
  const released: Released = await withdraw(participant, undefined);
  switch (released.kind) {
    case 'released':
      log('info', `released ${subject}`);
      return 0;
    case 'gone':
      log('error', `${subject} was not held by ${me.id}: it has expired and was taken, or was never acquired under this name`);
      return EXIT.lost.code;
    case 'failed':
      log('error', `not released: ${released.message}; it expires by itself`);
      return EXIT.unreachable.code;
    default:
      return released satisfies never;
  }
}

/** Whoever gives the same holder is the same; in a Pod that is the Pod. */
function shared(settings: JoinSettings, surroundings: Surroundings): Participant | undefined {
  const { log, podToken } = surroundings;
  const id = settings.holder ?? podOf(podToken);
  if (id === undefined) {
    log('error', 'who holds it? Outside of a Pod acquire and release need the same --holder, such as --holder pipeline-4711');
    return undefined;
  }
  const participant = participantOf(settings, surroundings, sharedIdentity(id));
  return { ...participant, emit: tellOf(participant, log, '') };
}
