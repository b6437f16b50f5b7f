/** One cell of the fault matrix: what is done to alice's guard, and what has to come of it; and what a cell can do in its story. */
import type { TestContext } from 'node:test';
import type { Answer, ApiObject } from '../harness/api.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { FaultProxy } from '../harness/fault-proxy.ts';
import type { Finished, Guard } from '../harness/guards.ts';
import type { Wire } from './wire.ts';
import type { Work } from './worker.ts';

export interface Cell {
  /** What was done, as the table shows it. */
  name: string;
  /** Why nobody else's command can run at the same time. */
  why: string;
  /** How alice reaches the API server; the proxy if nothing is said. */
  via?: 'wire';
  /** Alice's command; it runs until it is stopped or told to finish. */
  work?: Work;
  alice?: ActorOptions;
  bob?: ActorOptions;
  /** Of both their leases; DURATION_MS if nothing is said. */
  durationMs?: number;
  /** Before anybody starts. */
  before?(story: Story): void | Promise<void>;
  /** Alice runs and bob waits. */
  inject(story: Story): void | Promise<void>;
  /** `goes on`: alice keeps the lock until her command ends by itself, which it is told to after `inject`. `ends`: the guard ends it. */
  outcome: 'goes on' | 'ends';
  /** Alice's exit code; null where her guard was killed. */
  code: number | null | readonly number[];
  /** What alice says. */
  says?: readonly RegExp[];
  /** Alice leaves her lock to expire. */
  leavesLock?: boolean;
  /** After both have ended. */
  after?(story: Story, alice: Finished): void | Promise<void>;
  /** From which moment on another could have had the lock, where it is neither the expiry of alice's lease nor her release. */
  freeFrom?(story: Story): { at: number; by: string };
}

export interface Story {
  t: TestContext;
  cluster: Cluster;
  proxy: FaultProxy;
  /** Only for cells that ask for it. */
  wire: Wire;
  namespace: string;
  folder: string;
  durationMs: number;
  alice: Guard;
  bob: Guard;
  /** By whose they are. */
  guards: Map<string, Guard>;
  /** Another guard in the same story. */
  guard(who: string, options?: ActorOptions): Guard;
  lease(): Promise<ApiObject>;
  request(method: string, body?: unknown): Promise<Answer>;
  /** Merges into the Lease as an administrator would. */
  patch(change: object): Promise<void>;
  /** Tells a contender's command to end. */
  finish(who: string): void;
  /** Sets what is preloaded into a contender's guard. */
  preload(who: string, fault: Fault): void;
  /** Resolves when the command of that contender is seen to run. */
  runs(who: string): Promise<void>;
  /** Alice's writes that the API server has carried out, each dated before it was, oldest first. */
  writes(): { at: number; holder: string }[];
  /** Notes the moment, for `freeFrom` to ask for. */
  mark(what: string): void;
  marked(what: string): number;
  /** Writes another token into the file of a guard that was given one. */
  setToken(who: string, token: string): void;
}

/** What preload.mjs does to a guard. */
export interface Fault {
  /** How fast all its clocks and timers run; 1 is right. From its start. */
  rate?: number;
  /** Added to the wall clock. */
  wallMs?: number;
  /** Added to the boot-time clock alone: what a suspend does. */
  suspendedMs?: number;
  /** The process with this id does nothing for so long, once. */
  hang?: { pid: number; ms: number };
}

export interface ActorOptions {
  through?: 'proxy' | 'wire' | 'nothing';
  how?: Work;
  args?: string[];
  env?: Record<string, string>;
  /** Text of the token file that the guard is given; the administrator's if nothing is said. */
  tokenFile?: string;
  /** One of the cluster's users without any right of its own. */
  asUser?: number;
  /** To be changed later by `preload`. */
  fault?: Fault;
}

export const DURATION_MS = 6000;
export const GRACE_MS = 500;
/** What src/protocol/timings.ts makes of these: from the send of the last good write to SIGTERM. */
export const STOP_AFTER_MS = 4700;
export const PROTOCOL = 'lease-lock.nullplatform.com';
