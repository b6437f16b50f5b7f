/**
 * A supervisor and its command, simulated on a manual clock: what supervisor.c promises, with every message late by some time, and a supervisor that
 * may be stopped for a while, or killed between any two messages. The real one is tried on the real kernel (test/guard/supervisor).
 */
import { constants } from 'node:os';
import type { Monotonic } from '../../../src/clock.ts';
import type { Kind, Message, Opened, SupervisorLink } from '../../../src/guard/supervisor/link.ts';
import type { FromSupervisor, ToSupervisor } from '../../../src/guard/supervisor/protocol.ts';
import type { ManualClock } from '../../harness/manual-clock.ts';
import type { Random } from '../../simulation/random.ts';

export interface Behaviour {
  /** How late messages are, at most, in both directions. */
  delayMs: number;
  /** How long the first process lives by itself, and those that it leaves behind. */
  livesMs: number;
  orphansLiveMs: number;
  /** How long it takes to end after SIGTERM; infinite: it ignores it. */
  endsInMs: number;
  /** The program is not there. */
  missing: boolean;
  /** Those that it has left behind have left its group as well: nobody finds them once the supervisor is killed. */
  strays: boolean;
  underFirst: boolean;
  /** When the supervisor is stopped, for how long, and when it is killed; infinite: never. */
  stoppedAt: number;
  stoppedForMs: number;
  killedAt: number;
}

export interface SimulatedCommand {
  /** Whether any process of the command runs. */
  runs(): boolean;
  /** The supervisor was killed: nobody can know of those that have left the group. */
  lost(): boolean;
  starts: number;
  /** How often the supervisor acted because its deadline had passed. */
  deadlines: number;
  /** How long it was stopped at most while the command ran. */
  longestStopMs: number;
}

/** No process has this id: larger than the kernel gives. */
const NOBODY = 5_000_000;
const NEVER = Number.POSITIVE_INFINITY;

/** `deliver`: to the guard's process, which may be frozen. */
export function simulate(
  { clock, random, deliver }: { clock: ManualClock; random: Random; deliver(happen: () => void): void },
  is: Behaviour,
): { opened: Opened; command: SimulatedCommand } {
  const command: SimulatedCommand = {
    runs: () => leader || orphans,
    lost: () => killed,
    starts: 0,
    deadlines: 0,
    longestStopMs: 0,
  };
  const ended = new AbortController();
  const seen = new Map<Kind, FromSupervisor>();
  const listeners: ((message: FromSupervisor) => void)[] = [];
  let phase: 'waiting' | 'prepared' | 'started' | 'over' = 'waiting';
  let [leader, orphans, exitTold, goneTold, terminating, waits, ending] = [false, false, false, false, false, false, false];
  let [stopped, killed] = [false, false];
  let [graceMs, terminateAt, killAt, killWhen] = [0, NEVER, NEVER, NEVER];
  let [arrival, departure, stoppedFrom] = [0, 0, 0];
  const inbox: ToSupervisor[] = [];

  const at = (when: number, happen: () => void) => {
    if (when !== NEVER) clock.at(Math.max(when, clock.now()) as Monotonic, happen);
  };
  const within = (ms: number) => clock.now() + random.between(0, ms);

  // Messages keep their order.
  const say = (message: FromSupervisor) => {
    departure = Math.max(departure, within(is.delayMs));
    at(departure, () =>
      deliver(() => {
        if (!seen.has(message.kind)) seen.set(message.kind, message);
        for (const listener of [...listeners]) listener(message);
      }),
    );
  };
  const terminate = (reason: 'asked' | 'deadline' | 'leftBehind', grace: number) => {
    if (phase !== 'started') {
      phase = 'over';
      return;
    }
    if (!command.runs()) return;
    killWhen = Math.min(killWhen, clock.now() + grace);
    at(killWhen, look);
    if (terminating) return;
    terminating = true;
    if (reason === 'deadline') command.deadlines++;
    say({ kind: 'terminating', reason });
    at(clock.now() + is.endsInMs, () => leaves('all'));
  };
  const leaves = (who: 'leader' | 'all') => {
    if (who === 'leader' && leader && !terminating && is.orphansLiveMs > 0) {
      orphans = true;
      at(clock.now() + is.orphansLiveMs, () => leaves('all'));
    }
    leader = false;
    if (who === 'all') orphans = false;
    look();
  };

  /** What the supervisor does whenever it wakes. */
  function look(): void {
    if (stopped || killed) return;
    for (const message of inbox.splice(0)) obey(message);
    const now = clock.now();
    if (phase === 'started' && command.runs()) {
      if (!terminating && now >= terminateAt) terminate('deadline', graceMs);
      if (terminating && now >= Math.min(killWhen, killAt)) [leader, orphans] = [false, false];
    }
    if (phase === 'started' && !leader && !exitTold) {
      exitTold = true;
      say({ kind: 'exited', code: 0, left: orphans ? 1 : 0 });
    }
    if (phase === 'started' && exitTold && orphans && !waits && !terminating) terminate('leftBehind', graceMs);
    if (phase === 'started' && exitTold && !orphans && !goneTold) {
      goneTold = true;
      say({ kind: 'allGone' });
    }
    if (ending && !command.runs()) at((departure = within(is.delayMs)), () => deliver(() => ended.abort()));
  }

  function obey(message: ToSupervisor): void {
    switch (message.kind) {
      case 'prepare':
        graceMs = message.graceMs;
        phase = is.missing ? 'over' : 'prepared';
        return say(is.missing ? { kind: 'cannotStart', errno: constants.errno.EACCES } : { kind: 'ready', pid: NOBODY });
      case 'orphans':
        waits = message.policy === 'wait';
        return;
      case 'deadline':
        [terminateAt, killAt] = [message.terminateAtMs, message.killAtMs];
        at(terminateAt, look);
        return at(killAt, look);
      case 'start':
        if (phase !== 'prepared') return;
        if (clock.now() >= terminateAt) {
          phase = 'over';
          return say({ kind: 'cannotStart', errno: constants.errno.ETIMEDOUT });
        }
        phase = 'started';
        leader = true;
        command.starts++;
        at(clock.now() + is.livesMs, () => leaves('leader'));
        return say({ kind: 'started', pid: NOBODY });
      case 'terminate':
        return terminate('asked', message.graceMs);
      case 'end':
        ending = true;
        return terminate('asked', graceMs);
      case 'clock':
        return say({ kind: 'clock', nowMs: clock.now() });
      default:
        return;
    }
  }

  const goOn = () => {
    if (stopped && command.runs()) command.longestStopMs = Math.max(command.longestStopMs, clock.now() - stoppedFrom);
    stopped = false;
    look();
  };
  at(is.stoppedAt, () => {
    stopped = true;
    stoppedFrom = clock.now();
    at(clock.now() + is.stoppedForMs, goOn);
  });
  at(is.killedAt, () => {
    killed = true;
    // The kernel kills the first process; the guard, or `first`, those that can be found.
    const strays = command.runs() && is.strays && !is.underFirst;
    [leader, orphans] = [false, strays];
    at(clock.now() + 30_000, () => leaves('all'));
    deliver(() => ended.abort());
  });
  say({ kind: 'hello', version: 1, nowMs: clock.now(), sharesTerminal: false, underFirst: is.underFirst, findsAll: true });

  const link: SupervisorLink = {
    commandAt: 0,
    send(...messages) {
      arrival = Math.max(arrival, within(is.delayMs));
      at(arrival, () => {
        inbox.push(...messages);
        look();
      });
    },
    first: <K extends Kind>(kind: K) =>
      new Promise<Message<K> | undefined>((resolve) => {
        const known = seen.get(kind);
        if (known || ended.signal.aborted) return resolve(known as Message<K> | undefined);
        listeners.push((message) => message.kind === kind && resolve(message as Message<K>));
        ended.signal.addEventListener('abort', () => resolve(undefined), { once: true });
      }),
    on: (kind, receive) => void listeners.push((message) => message.kind === kind && receive(message as never)),
    revive: () => stopped && goOn(),
    ended: ended.signal,
    async end(callerSees) {
      link.send({ kind: 'end', callerSees });
    },
  };
  return { opened: { kind: 'opened', link }, command };
}
