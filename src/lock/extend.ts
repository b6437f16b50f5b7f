/**
 * Adding time to a lock that another process with the same identity has acquired. Whoever is ended meanwhile must not release what the others hold.
 */
import { parseLease } from '../protocol/document.ts';
import { findMine } from '../protocol/me.ts';
import type { AcquireRequest, Participant } from './participant.ts';

/** Whether the lock is this participant's before it asks for it: then it adds time to it, and must not release it if it gets none. */
export async function holdsAlready({ client, me, timings }: Participant): Promise<boolean> {
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
  const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
  return parsed?.kind === 'state' && findMine(parsed.state.holders, me)?.standing === 'holds';
}

/** The same request, ended by its signal only once it waits in the queue: from then on the lock is not its own any more. */
export function endedOnceQueued({ signal, onEvent, ...request }: AcquireRequest): AcquireRequest {
  const ended = new AbortController();
  let queued = false;
  const check = () => {
    if (queued && signal?.aborted) ended.abort(signal.reason);
  };
  signal?.addEventListener('abort', check, { once: true });
  return {
    ...request,
    signal: ended.signal,
    onEvent(event) {
      onEvent?.(event);
      queued ||= event.type === 'waiting';
      check();
    },
  };
}
