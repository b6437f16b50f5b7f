/**
 * `k8s-lease-lock hold`: holds the lock for a Pod, as its native sidecar. The kubelet is what stops the other containers: their livenessProbe asks
 * this process whether the lock is held, and is told no early enough for the Pod's whole grace. What that can and can't do: docs/sidecar.md.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { later, waitUntil } from '../../src/clock.ts';
import type { LockEvent } from '../../src/events.ts';
import { EXIT } from '../../src/guard/exit-codes.ts';
import { notHeld } from '../../src/guard/not-held.ts';
import { openSignalInbox } from '../../src/guard/signals.ts';
import { tellOf } from '../../src/guard/tell.ts';
import type { Identity } from '../../src/identity.ts';
import { acquire, type HeldLock, stopRequestOf } from '../../src/lock.ts';
import { withdraw } from '../../src/withdraw.ts';
import { type HeldPage, serveHeld } from '../held-page.ts';
import { type HoldSettings, readHoldCommandLine } from '../hold-options.ts';
import { obey, participantOf, type Surroundings } from '../joined.ts';
import { podEvents } from '../pod-events.ts';

/**
 * From the kubelet's SIGTERM until the lock is given back. It comes when the other containers have ended, or when their time is over: then they, and
 * this process, are killed two seconds later. So whoever lives longer than that has seen them end; one that does not lets the lock expire.
 */
const LAST_SECONDS_MS = 2500;

export async function hold(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await obey('hold', readHoldCommandLine(argv, env), env, holdForPod);
}

async function holdForPod(settings: HoldSettings, surroundings: Surroundings): Promise<number> {
  const { log } = surroundings;
  if (!(await stat(settings.dir).catch(() => undefined))?.isDirectory()) {
    log(
      'error',
      `--dir ${settings.dir} is no folder: mount a volume there (emptyDir), so that a restart is known (docs/sidecar.md#restarts)`,
    );
    return EXIT.configuration.code;
  }
  const inbox = openSignalInbox();
  const page = await serveHeld(settings.probePort, log);
  if (page.kind === 'refused') {
    log('error', page.message);
    return EXIT.configuration.code;
  }
  const before = await heldBefore(settings.dir);
  return before
    ? await afterRestart(before, settings, { ...surroundings, page, ending: inbox.ending })
    : await holdUntilEnd(settings, { ...surroundings, page, ending: inbox.ending });
}

type Holding = Surroundings & { page: HeldPage; ending: AbortSignal };

async function holdUntilEnd(settings: HoldSettings, surroundings: Holding): Promise<number> {
  const { clock, log, page, ending } = surroundings;
  const participant = participantOf(settings, surroundings);
  const tell = tellOf(participant, log, 'the kubelet stops the containers that ask for it');
  const events = podEvents(participant.me, surroundings);
  const emit = (event: LockEvent) => {
    tell(event);
    events.listen(event);
  };
  const acquisition = await acquire({ ...participant, emit }, { signal: ending });
  if (acquisition.kind !== 'held')
    return notHeld(acquisition, { clock, log, onBusy: 'wait', conflictExitCode: EXIT.notAcquired.code, ending });
  const { lock } = acquisition;
  const { id, nonce } = participant.me;
  try {
    // Before anybody is told: a container that starts must not outlive this process unseen.
    await writeFile(markIn(settings.dir), JSON.stringify({ id, nonce }), { flush: true });
  } catch (error) {
    log('error', `can't write into --dir ${settings.dir}: ${(error as Error).message}`);
    await lock.release();
    return EXIT.configuration.code;
  }
  page.tells(() => stateOf(lock));
  await aborted(ending);
  // Asked for by SIGTERM before anything started, or much later: in doubt the other containers still have their last seconds.
  await waitUntil(clock, later(clock.now(), LAST_SECONDS_MS));
  const wasLost = lock.isLost();
  const released = await lock.release();
  await events.sent();
  if (wasLost) return EXIT.lost.code;
  return released.kind === 'failed' ? EXIT.unreachable.code : 0;
}

/** What the kubelet's probes are told, looked up at every question. */
function stateOf(lock: HeldLock): { held: boolean; words: string } {
  if (lock.isLost()) return { held: false, words: `lost: ${(lock.lost.reason as Error).message}` };
  if (!lock.stopRequested.aborted) return { held: true, words: `held as ${lock.holder}` };
  const { by, reason } = stopRequestOf(lock);
  return { held: false, words: `asked to stop by ${by || 'somebody'}${reason ? `: ${reason}` : ''}` };
}

/** Nobody has renewed meanwhile, and whoever is running does not know it. It is not held again: the kubelet is to stop the Pod. */
async function afterRestart(before: Identity, settings: HoldSettings, surroundings: Holding): Promise<number> {
  const { clock, log, page, ending } = surroundings;
  const words =
    'the container that held the lock was restarted: it is not held any more, and this Pod has to end (docs/sidecar.md#restarts)';
  log('error', words);
  page.tells(() => ({ held: false, words }));
  await aborted(ending);
  await waitUntil(clock, later(clock.now(), LAST_SECONDS_MS));
  const participant = participantOf(settings, surroundings, before);
  await withdraw({ ...participant, emit: tellOf(participant, log, '') }, undefined);
  return EXIT.lost.code;
}

const markIn = (dir: string): string => join(dir, 'held.json');

/** Who held the lock in this Pod, if anybody did: also when what is written there can't be read. */
async function heldBefore(dir: string): Promise<Identity | undefined> {
  const text = await readFile(markIn(dir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    return error.code === 'ENOENT' ? undefined : '';
  });
  if (text === undefined) return undefined;
  try {
    const { id, nonce } = JSON.parse(text) as Identity;
    return { id, nonce };
  } catch {
    return { id: 'unknown', nonce: '0000000000' };
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
