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

export function newSeveralChecker(): Checker {
  let violation: Violation | undefined;
  let starts = 0;
  const running = new Map<string, Author>();
  const leases = new Map<string, ReturnType<typeof docOf>>();
  const waiting = new Map<string, Waiting>();
  const violate = (at: number, invariant: string, what: string) => {
    violation ??= { at, invariant, what };
  };

  function started(at: number, author: Author): void {
    const { lock = '', name, nonce } = author;
    const other = running.get(lock);
    starts += 1;
    if (other) violate(at, 'one at a time', `${name} started under ${lock} while ${other.name} still runs`);
    running.set(lock, author);
    if (!leases.get(lock)?.holders.some((entry) => entry.nonce === nonce))
      violate(at, 'all or none', `${name} started, and does not hold ${lock}`);
  }

  function gaveUp(at: number, { name, nonce, times }: Author, outcome: string): void {
    const wait = waiting.get(nonce);
    if (!wait || wait.troubled || outcome === 'held' || outcome === 'crashed') return;
    for (const [lock, { holders, waiters }] of leases)
      if ([...holders, ...waiters].some((entry) => entry.nonce === nonce))
        violate(at, 'nothing is left behind', `${name} (${outcome}) has gone, and its entry in ${lock} is still there`);
    // One try may have to watch a holder that looks dead.
    const lateMs = at - wait.since - inTrueMs(wait.timeoutMs || Number.POSITIVE_INFINITY);
    if (lateMs > 3 * (times?.requestTimeoutMs ?? 0))
      violate(at, 'a wait ends in time', `${name} waited ${lateMs.toFixed(0)} ms longer than it wanted to`);
  }

  function take(at: number, event: Occurrence): void {
    const { author } = event;
    const wait = waiting.get(author.nonce);
    switch (event.type) {
      case 'commit':
        if (event.after) leases.set(author.lock ?? '', docOf(event.after));
        return;
      case 'queued':
        waiting.set(author.nonce, { since: at, timeoutMs: event.timeoutMs, troubled: false });
        return;
      case 'troubled':
        if (wait) wait.troubled = true;
        return;
      case 'unqueued':
        gaveUp(at, author, event.outcome);
        return;
      case 'started':
        started(at, author);
        return;
      case 'ended':
        if (running.get(author.lock ?? '')?.nonce === author.nonce) running.delete(author.lock ?? '');
        return;
      case 'told':
        if (event.text.startsWith('threw ')) violate(at, 'nothing throws', event.text);
        return;
      default:
        return;
    }
  }

  return {
    take,
    sweep() {},
    get violation() {
      return violation;
    },
    get starts() {
      return starts;
    },
  };
}
