/**
 * A supervisor and its command, simulated on a manual clock: what supervisor.c promises, with every message late by some time, and a supervisor that
 * may be stopped for a while, or killed between any two messages. The real one is tried on the real kernel (test/guard/supervisor).
 */
import { constants } from 'node:os';
import type { Monotonic } from '../../../src/clock.ts';
import type { Opened } from '../../../src/guard/supervisor/link.ts';
import { createMailbox } from '../../../src/guard/supervisor/mailbox.ts';
import type { FromSupervisor, ToSupervisor } from '../../../src/guard/supervisor/protocol.ts';
import type { ManualClock } from '../../harness/manual-clock.ts';
import type { Random } from '../../simulation/random.ts';
import type { Behaviour } from './behaviour.ts';

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
const STRAYS_LIVE_MS = 30_000;

interface Surroundings {
  clock: ManualClock;
  random: Random;
  /** To the guard's process, which may be frozen. */
  deliver(happen: () => void): void;
}

export function simulate(around: Surroundings, is: Behaviour): { opened: Opened; command: SimulatedCommand } {
  const supervisor = new Supervisor(around, is);
  const { first, on } = supervisor.mailbox;
  const link = {
    commandAt: 0,
    first,
    on,
    ended: supervisor.ended.signal,
    send: (...messages: ToSupervisor[]) => supervisor.receive(messages),
    revive: () => supervisor.goOn(),
    end: async (callerSees: 'exitCodeOfGuard' | 'endOfCommand') => supervisor.receive([{ kind: 'end', callerSees }]),
  };
  return { opened: { kind: 'opened', link }, command: supervisor.command };
}

class Supervisor {
  readonly ended = new AbortController();
  readonly command: SimulatedCommand;
  readonly mailbox = createMailbox(this.ended.signal);
  readonly #around: Surroundings;
  readonly #is: Behaviour;
  readonly #inbox: ToSupervisor[] = [];
  #phase: 'waiting' | 'prepared' | 'started' | 'over' = 'waiting';
  #leader = false;
  #orphans = false;
  #exitTold = false;
  #goneTold = false;
  #terminating = false;
  #waits = false;
  #ending = false;
  #stopped = false;
  #killed = false;
  #stoppedFrom = 0;
  #graceMs = 0;
  #terminateAt = NEVER;
  #killAt = NEVER;
  #killWhen = NEVER;
  #arrival = 0;
  #departure = 0;

  constructor(around: Surroundings, is: Behaviour) {
    this.#around = around;
    this.#is = is;
    this.command = {
      runs: () => this.#leader || this.#orphans,
      lost: () => this.#killed,
      starts: 0,
      deadlines: 0,
      longestStopMs: 0,
    };
    this.#at(is.stoppedAt, () => {
      this.#stopped = true;
      this.#stoppedFrom = around.clock.now();
      this.#at(around.clock.now() + is.stoppedForMs, () => this.goOn());
    });
    this.#at(is.killedAt, () => this.#die());
    const nowMs = around.clock.now();
    this.#say({ kind: 'hello', version: 1, nowMs, sharesTerminal: false, underFirst: is.underFirst, findsAll: true });
  }

  /** From the guard. Messages keep their order, in both directions. */
  receive(messages: ToSupervisor[]): void {
    this.#arrival = Math.max(this.#arrival, this.#soon());
    this.#at(this.#arrival, () => {
      this.#inbox.push(...messages);
      this.#look();
    });
  }

  goOn(): void {
    if (!this.#stopped) return;
    const stoppedMs = this.#around.clock.now() - this.#stoppedFrom;
    if (this.command.runs()) this.command.longestStopMs = Math.max(this.command.longestStopMs, stoppedMs);
    this.#stopped = false;
    this.#look();
  }

  #at(when: number, happen: () => void): void {
    const { clock } = this.#around;
    if (when !== NEVER) clock.at(Math.max(when, clock.now()) as Monotonic, happen);
  }

  #soon(): number {
    return this.#around.clock.now() + this.#around.random.between(0, this.#is.delayMs);
  }

  #say(message: FromSupervisor): void {
    this.#tell(() => this.mailbox.hear(message));
  }

  #tell(happen: () => void): void {
    this.#departure = Math.max(this.#departure, this.#soon());
    this.#at(this.#departure, () => this.#around.deliver(happen));
  }

  /** The kernel kills the first process; the guard, or `first`, those that can be found. */
  #die(): void {
    const strays = this.command.runs() && this.#is.strays && !this.#is.underFirst;
    this.#killed = true;
    this.#leader = false;
    this.#orphans = strays;
    this.#at(this.#around.clock.now() + STRAYS_LIVE_MS, () => this.#leave('all'));
    this.#around.deliver(() => this.ended.abort());
  }

  #terminate(reason: 'asked' | 'deadline' | 'leftBehind', graceMs: number): void {
    if (this.#phase !== 'started') this.#phase = 'over';
    if (!this.command.runs()) return;
    const now = this.#around.clock.now();
    this.#killWhen = Math.min(this.#killWhen, now + graceMs);
    this.#at(this.#killWhen, () => this.#look());
    if (this.#terminating) return;
    this.#terminating = true;
    if (reason === 'deadline') this.command.deadlines++;
    this.#say({ kind: 'terminating', reason });
    this.#at(now + this.#is.endsInMs, () => this.#leave('all'));
  }

  #leave(who: 'leader' | 'all'): void {
    if (who === 'leader' && this.#leader && !this.#terminating && this.#is.orphansLiveMs > 0) {
      this.#orphans = true;
      this.#at(this.#around.clock.now() + this.#is.orphansLiveMs, () => this.#leave('all'));
    }
    this.#leader = false;
    if (who === 'all') this.#orphans = false;
    this.#look();
  }

  /** What the supervisor does whenever it wakes. */
  #look(): void {
    if (this.#stopped || this.#killed) return;
    for (const message of this.#inbox.splice(0)) this.#obey(message);
    if (this.#phase === 'started') this.#keepDeadlines();
    if (this.#phase === 'started') this.#reportEnd();
    if (this.#ending && !this.command.runs()) this.#tell(() => this.ended.abort());
  }

  #keepDeadlines(): void {
    const now = this.#around.clock.now();
    if (!this.#terminating && now >= this.#terminateAt) this.#terminate('deadline', this.#graceMs);
    if (!this.#terminating || now < Math.min(this.#killWhen, this.#killAt)) return;
    this.#leader = false;
    this.#orphans = false;
  }

  #reportEnd(): void {
    if (this.#leader) return;
    if (!this.#exitTold) this.#say({ kind: 'exited', code: 0, left: this.#orphans ? 1 : 0 });
    this.#exitTold = true;
    if (this.#orphans && !this.#waits && !this.#terminating) this.#terminate('leftBehind', this.#graceMs);
    if (this.#orphans) return;
    if (!this.#goneTold) this.#say({ kind: 'allGone' });
    this.#goneTold = true;
  }

  #obey(message: ToSupervisor): void {
    switch (message.kind) {
      case 'prepare':
        this.#prepare(message.graceMs);
        break;
      case 'orphans':
        this.#waits = message.policy === 'wait';
        break;
      case 'deadline':
        this.#terminateAt = message.terminateAtMs;
        this.#killAt = message.killAtMs;
        this.#at(this.#terminateAt, () => this.#look());
        this.#at(this.#killAt, () => this.#look());
        break;
      case 'start':
        this.#start();
        break;
      case 'terminate':
        this.#terminate('asked', message.graceMs);
        break;
      case 'end':
        this.#ending = true;
        this.#terminate('asked', this.#graceMs);
        break;
      case 'clock':
        this.#say({ kind: 'clock', nowMs: this.#around.clock.now() });
        break;
      default: // Nothing that is simulated.
    }
  }

  #prepare(graceMs: number): void {
    this.#graceMs = graceMs;
    this.#phase = this.#is.missing ? 'over' : 'prepared';
    if (this.#is.missing) this.#say({ kind: 'cannotStart', errno: constants.errno.EACCES });
    else this.#say({ kind: 'ready', pid: NOBODY });
  }

  #start(): void {
    if (this.#phase !== 'prepared') return;
    if (this.#around.clock.now() >= this.#terminateAt) {
      this.#phase = 'over';
      this.#say({ kind: 'cannotStart', errno: constants.errno.ETIMEDOUT });
      return;
    }
    this.#phase = 'started';
    this.#leader = true;
    this.command.starts++;
    this.#at(this.#around.clock.now() + this.#is.livesMs, () => this.#leave('leader'));
    this.#say({ kind: 'started', pid: NOBODY });
  }
}
