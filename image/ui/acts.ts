/** What a page may do with `--write`: what the commands `unlock`, `queue` and `set` do, by their own code, and in their own words. */
import type { Log } from '../../src/log.ts';
import { problemOfLock } from '../../src/names.ts';
import { PERMITS_LIMIT } from '../../src/protocol/lock-state.ts';
import { editQueue } from '../commands/queue.ts';
import { setForAll } from '../commands/set.ts';
import { unlockForOthers } from '../commands/unlock.ts';
import type { LockSettings } from '../operate/operator.ts';
import type { OperateContext } from '../run-command.ts';

/** A holder that was asked shows on the page when it has gone: nobody waits for the answer any longer. */
const ASK_MS = 20_000;
const REMOVE_MS = 10_000;
/** More than fit into a queue. */
const PLACES_MOST = 10_000;

export interface Outcome {
  done: boolean;
  message: string;
}

type Act = (settings: LockSettings, wish: Wish, context: OperateContext) => Promise<number>;

/** As a page writes it. */
interface Wish {
  /** Id or key of a holder or waiter. */
  named: string;
  reason: string | undefined;
  /** A place in the queue, or a number of permits. */
  number: number;
}

const ACTS: Record<string, Act> = {
  ask: (lock, { named, reason }, context) =>
    unlockForOthers({ ...lock, holder: named, reason, force: undefined, timeoutMs: ASK_MS }, context),
  clear: (lock, { named, reason }, context) =>
    unlockForOthers({ ...lock, holder: named, reason, force: 'silent', timeoutMs: ASK_MS }, context),
  'clear-live': (lock, { named, reason }, context) =>
    unlockForOthers({ ...lock, holder: named, reason, force: 'live', timeoutMs: ASK_MS }, context),
  remove: (lock, { named, reason }, context) =>
    editQueue({ ...lock, wish: { kind: 'remove', named, reason, timeoutMs: REMOVE_MS } }, context),
  move: (lock, { named, number }, context) => editQueue({ ...lock, wish: { kind: 'move', named, place: number } }, context),
  permits: (lock, { number }, context) => setForAll({ ...lock, permits: number }, context),
};

/** What is wrong with it, or what came of it. `context` is without a lock: which one it is about, the page says. */
export async function act(asked: unknown, connecting: Omit<LockSettings, 'name'>, context: OperateContext): Promise<Outcome> {
  const { kind, namespace, name, named = '', reason, number = 1 } = (asked ?? {}) as Record<string, unknown>;
  const perform = typeof kind === 'string' && Object.hasOwn(ACTS, kind) ? ACTS[kind] : undefined;
  const texts = [namespace, name, named, reason ?? ''];
  if (!perform || !texts.every((text) => typeof text === 'string') || !Number.isInteger(number))
    return { done: false, message: 'the request is invalid' };
  const lock = { namespace: namespace as string, name: name as string };
  const problem = problemOfLock(lock) ?? problemOfNumber(number as number, kind === 'permits' ? PERMITS_LIMIT : PLACES_MOST);
  if (problem !== undefined) return { done: false, message: problem };
  const said: string[] = [];
  const log: Log = Object.assign((_: unknown, message: string) => void said.push(message), {
    live: undefined,
    flush: async () => {},
  });
  const settings = { ...connecting, ...lock };
  const wish = { named: named as string, reason: (reason as string) || undefined, number: number as number };
  const code = await perform(settings, wish, { ...context, log });
  return { done: code === 0, message: said.at(-1) ?? '' };
}

function problemOfNumber(number: number, most: number): string | undefined {
  if (number >= 1 && number <= most) return undefined;
  return `"${number}" is invalid: use a number from 1 to ${most}`;
}
