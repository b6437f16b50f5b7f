/**
 * `k8s-lease-lock hold`: holds the lock for a Pod, as its native sidecar. The kubelet is what stops the other containers: their livenessProbe asks
 * this process whether the lock is held, and is told no early enough for all that the kubelet then takes. What that can and can't do: docs/sidecar.md.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { later, NEVER, waitUntil } from '../../src/clock.ts';
import { tellOf } from '../../src/guard/event-log.ts';
import { EXIT } from '../../src/guard/exit-codes.ts';
import { notHeld } from '../../src/guard/not-held.ts';
import { openSignalInbox } from '../../src/guard/signals.ts';
import type { LockEvent } from '../../src/lock/events.ts';
import type { Identity } from '../../src/lock/identity.ts';
import { acquire, type HeldLock, type Participant, type Released, stopRequestOf } from '../../src/lock/index.ts';
import { withdraw } from '../../src/lock/release.ts';
import type { Log } from '../../src/log.ts';
import { type HoldSettings, readHoldCommandLine } from '../hold-options.ts';
import { type HeldPage, type HeldState, serveHeld } from '../pod/held-page.ts';
import { podEvents } from '../pod/pod-events.ts';
import { obey, participantOf, type Surroundings } from '../run-command.ts';

/**
 * From the kubelet's SIGTERM until the lock is given back. It comes when the other containers have ended, or when their time is over: then they and
 * this process are killed two seconds later. So whoever lives for twice as long has seen them end; one that does not lets the lock expire.
 */
const LAST_SECONDS_MS = 4000;
/** From when on after SIGTERM a question can't be one that was under way: somebody is still running. */
const LAST_QUESTION_MS = 1000;

export async function hold(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await obey('hold', readHoldCommandLine(argv, env), env, holdForPod);
}

type Holding = Surroundings & { settings: HoldSettings; page: HeldPage; ending: AbortSignal };

async function holdForPod(settings: HoldSettings, surroundings: Surroundings): Promise<number> {
  const { log } = surroundings;
  if (!(await stat(settings.dir).catch(() => undefined))?.isDirectory()) {
    log(
      'error',
      `--dir ${settings.dir} is no folder: mount a volume there (emptyDir), so that a restart is known (docs/sidecar.md#restarts)`,
    );
    return EXIT.configuration.code;
  }
  const { ending } = openSignalInbox();
  const page = await serveHeld(settings.probePort, log);
  if (page.kind === 'refused') {
    log('error', page.message);
    return EXIT.configuration.code;
  }
  const holding = { ...surroundings, settings, page, ending };
  const before = await heldBefore(settings.dir);
  return before ? await afterRestart(before, holding) : await holdFromStart(holding);
}

async function holdFromStart(holding: Holding): Promise<number> {
  const { settings, clock, log, ending } = holding;
  const participant = participantOf(settings, holding);
  const tell = tellOf(participant, log, 'the kubelet stops the containers that ask for it');
  const events = podEvents(participant.me, holding);
  const emit = (event: LockEvent) => {
    tell(event);
    events.listen(event);
  };
  try {
    const acquisition = await acquire({ ...participant, emit }, { signal: ending });
    if (acquisition.kind === 'held') return await holdUntilEnd(acquisition.lock, { ...participant, emit }, holding);
    return notHeld(acquisition, { clock, log, onBusy: 'wait', conflictExitCode: EXIT.notAcquired.code, ending });
  } finally {
    await events.sent();
  }
}

async function holdUntilEnd(lock: HeldLock, { me }: Participant, holding: Holding): Promise<number> {
  const { settings, clock, log, page, ending } = holding;
  const mark = markIn(settings.dir);
  const over = AbortSignal.any([ending, lock.lost, lock.stopRequested]);
  let relied = false;
  let marking: Promise<void> | undefined;
  page.tells(async () => {
    const state = stateOf(lock);
    if (!state.held || relied) return state;
    try {
      // Before anybody relies on it: what then starts must not outlive this process unseen.
      marking ??= writeFile(mark, JSON.stringify({ id: me.id, nonce: me.nonce }), { flush: true });
      await marking;
    } catch (error) {
      marking = undefined;
      log('error', `can't write into --dir ${settings.dir}: ${(error as Error).message}`);
      return { held: false, words: `held, but its mark can't be written: ${(error as Error).message}` };
    }
    // It may be over since: then nobody has heard a yes, and nobody shall.
    if (over.aborted) return { held: false, words: GIVEN_BACK };
    relied = true;
    return stateOf(lock);
  });
  await waitUntil(clock, NEVER, over);
  if (!relied) {
    // Nothing has started, so that nothing would ever end this Pod: out of the way, to come again.
    page.tells(() => ({ held: false, words: GIVEN_BACK }));
    await marking?.catch(() => {});
    // One that stays is taken for a restart: the Pod then has to be ended from outside.
    await rm(mark, { force: true }).catch(() => {});
    return exitCode(await lock.release(), { lock, log });
  }
  await waitUntil(clock, NEVER, ending);
  const wasLost = lock.isLost();
  if (await isStillAsked(page, holding)) {
    lock.abandon();
    return EXIT.lost.code;
  }
  return exitCode(await lock.release(), { lock, log, wasLost });
}

const GIVEN_BACK = 'given back before anything started';

/** True, and said, if somebody asks in the last seconds, when nobody should be there any more. */
async function isStillAsked(page: HeldPage, { clock, log }: Surroundings): Promise<boolean> {
  const from = later(clock.now(), LAST_QUESTION_MS);
  let asked = false;
  page.tells(() => {
    asked ||= clock.now() >= from;
    return { held: false, words: 'this Pod is ending' };
  });
  await waitUntil(clock, later(clock.now(), LAST_SECONDS_MS));
  if (asked)
    log(
      'error',
      'not released: a container still asks whether the lock is held; it is free when it expires (docs/sidecar.md#how-a-pod-ends)',
    );
  return asked;
}

function exitCode(
  released: Released,
  { lock, log, wasLost = lock.isLost() }: { lock: HeldLock; log: Log; wasLost?: boolean },
): number {
  if (released.kind === 'gone' && !wasLost)
    log('error', 'there was nothing left to give back: somebody else has taken or cleared the lock');
  if (wasLost || released.kind === 'gone') return EXIT.lost.code;
  return released.kind === 'failed' ? EXIT.unreachable.code : 0;
}

/** What the kubelet's probes are told, looked up at every question. */
function stateOf(lock: HeldLock): HeldState {
  if (lock.isLost()) return { held: false, words: `lost: ${(lock.lost.reason as Error).message}` };
  if (!lock.stopRequested.aborted) return { held: true, words: `held as ${lock.holder}` };
  const { by, reason } = stopRequestOf(lock);
  return { held: false, words: `asked to stop by ${by || 'somebody'}${reason ? `: ${reason}` : ''}` };
}

/** Nobody has renewed meanwhile, and whoever is running does not know it. It is not held again: the kubelet is to stop the Pod. */
async function afterRestart(before: Identity, holding: Holding): Promise<number> {
  const { settings, clock, log, page, ending } = holding;
  const words =
    'the container that held the lock was restarted: it is not held any more, and this Pod has to end (docs/sidecar.md#restarts)';
  log('error', words);
  page.tells(() => ({ held: false, words }));
  await waitUntil(clock, NEVER, ending);
  if (await isStillAsked(page, holding)) return EXIT.lost.code;
  const participant = participantOf(settings, holding, before);
  const released = await withdraw({ ...participant, emit: () => {} }, undefined);
  const subject = `Lease ${participant.me.namespace}/${participant.me.name}`;
  if (released.kind === 'released') log('info', `released ${subject}, which the first one held`);
  if (released.kind === 'failed') log('error', `not released: ${released.message}; it expires by itself`);
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
