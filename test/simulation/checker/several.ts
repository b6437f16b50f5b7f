/**
 * What is promised of several locks for one command: nobody else runs under any of them, it runs under all or not at all, and whoever gives up leaves nothing
 * behind in any, in time. That all get their turn, whatever order they name the locks in, shows at the quiet end.
 */
import { docOf } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import { inTrueMs } from './delays.ts';
import type { Checker, Violation } from './index.ts';

interface Waiting {
  since: number;
  timeoutMs: number | undefined;
  troubled: boolean;
}

export const newSeveralChecker = (): Checker => new SeveralChecker();

class SeveralChecker implements Checker {
  violation: Violation | undefined;
  starts = 0;
  readonly #running = new Map<string, Author>();
  readonly #leases = new Map<string, ReturnType<typeof docOf>>();
  readonly #waiting = new Map<string, Waiting>();

  sweep(): void {}

  take(at: number, event: Occurrence): void {
    const { author } = event;
    const { nonce, lock = '' } = author;
    const wait = this.#waiting.get(nonce);
    if (event.type === 'commit' && event.after) this.#leases.set(lock, docOf(event.after));
    if (event.type === 'queued') this.#waiting.set(nonce, { since: at, timeoutMs: event.timeoutMs, troubled: false });
    if (event.type === 'troubled' && wait) wait.troubled = true;
    if (event.type === 'unqueued' && wait) this.#gaveUp(at, { author, outcome: event.outcome, wait });
    if (event.type === 'started') this.#started(at, author);
    if (event.type === 'ended' && this.#running.get(lock)?.nonce === nonce) this.#running.delete(lock);
    if (event.type === 'told' && event.text.startsWith('threw ')) this.#violate(at, 'nothing throws', event.text);
  }

  #violate(at: number, invariant: string, what: string): void {
    this.violation ??= { at, invariant, what };
  }

  #started(at: number, author: Author): void {
    const { lock = '', name, nonce } = author;
    const other = this.#running.get(lock);
    this.starts += 1;
    if (other) this.#violate(at, 'one at a time', `${name} started under ${lock} while ${other.name} still runs`);
    this.#running.set(lock, author);
    if (!this.#leases.get(lock)?.holders.some((entry) => entry.nonce === nonce))
      this.#violate(at, 'all or none', `${name} started, and does not hold ${lock}`);
  }

  #gaveUp(at: number, { author, outcome, wait }: { author: Author; outcome: string; wait: Waiting }): void {
    const { name, nonce, times } = author;
    if (wait.troubled || outcome === 'held' || outcome === 'crashed') return;
    for (const [lock, { holders, waiters }] of this.#leases)
      if ([...holders, ...waiters].some((entry) => entry.nonce === nonce))
        this.#violate(at, 'nothing is left behind', `${name} (${outcome}) has gone, and its entry in ${lock} is still there`);
    // One try may have to watch a holder that looks dead.
    const lateMs = at - wait.since - inTrueMs(wait.timeoutMs || Number.POSITIVE_INFINITY);
    if (lateMs > 3 * (times?.requestTimeoutMs ?? 0))
      this.#violate(at, 'a wait ends in time', `${name} waited ${lateMs.toFixed(0)} ms longer than it wanted to`);
  }
}
