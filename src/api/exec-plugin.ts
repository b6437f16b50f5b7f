/**
 * Credentials from a plugin (exec), kept for as long as client-go keeps them, and renewed a little before they end. However many requests wait, the
 * plugin runs once; it is ended when nobody waits any more.
 */
import { type Clock, later, type Monotonic } from '../clock.ts';
import { formatDuration } from '../durations.ts';
import { nameOf, type PluginCredentials, type PluginOptions, runPlugin } from './exec-run.ts';

export interface PluginRequest {
  /** Those that the API server did not accept. */
  refused?: PluginCredentials | undefined;
  clock: Clock;
  signal: AbortSignal;
}

export interface Plugin {
  /** Rejects with a sentence. */
  credentials(request: PluginRequest): Promise<PluginCredentials>;
}

/** What a plugin has just said is not asked again: an API server that refuses everything would have it started for each answer. */
const FRESH_MS = 10_000;
/** The same for what has ended by then, as a plugin may say that has a cache: sooner, as its next answer is another one. */
const FRESH_LEAST_MS = 1000;
/** After a failure the plugin is not started again for so long, which doubles up to the limit: a holder tries to renew every 100 ms. */
const PAUSE_MS = 500;
const PAUSE_LIMIT_MS = 30_000;
/** A plugin that asks another service takes seconds; what takes longer hangs. Where a person may have to log in, the limit is that of http.ts. */
const LIMIT_MS = 60_000;
/** So long before they end, or in the last fifth of their life, new ones are asked for while the old ones still serve. */
const AHEAD_MS = 60_000;
const AHEAD_PART = 0.2;

const GIVEN_UP = new Error('nobody waits for the credential plugin any more');

const overdue = ({ entry }: PluginOptions) =>
  new Error(`${nameOf(entry)} did not end within ${formatDuration(LIMIT_MS)}: run it by hand to see what it waits for`);

interface Known {
  credentials: PluginCredentials;
  /** Until then the plugin would say the same. */
  freshUntil: Monotonic;
  /** By the calendar, in milliseconds since 1970. */
  renewAt: number;
}

interface Failed {
  times: number;
  /** It is not started before. */
  until: Monotonic;
  error: unknown;
}

interface Run {
  result: Promise<PluginCredentials>;
  waiting: number;
  giveUp(): void;
}

export function execPlugin(options: PluginOptions): Plugin {
  let known: Known | undefined;
  let run: Run | undefined;
  let failed: Failed | undefined;
  let interactive = options.terminal === true && options.entry.interactiveMode !== 'Never';

  const start = (clock: Clock): Run => {
    const ended = new AbortController();
    const startedAt = clock.wall().getTime();
    const undo = interactive ? () => {} : clock.at(later(clock.now(), LIMIT_MS), () => ended.abort(overdue(options)));
    const result = runPlugin(options, { interactive, signal: ended.signal }).finally(() => {
      undo();
      if (run === made) run = undefined;
    });
    // From now on it would share the terminal with the command.
    interactive = false;
    result.then(
      (credentials) => {
        known = { credentials, freshUntil: freshUntil(credentials, clock), renewAt: renewAt(credentials, startedAt) };
        failed = undefined;
      },
      (error) => {
        if (error !== GIVEN_UP) failed = failedAgain(failed, error, clock);
      },
    );
    const giveUp = () => {
      // Whoever comes next starts another, even while this one is ending.
      if (run === made) run = undefined;
      ended.abort(GIVEN_UP);
    };
    const made: Run = { result, waiting: 0, giveUp };
    return made;
  };

  return {
    async credentials({ refused, clock, signal }) {
      const wall = clock.wall().getTime();
      const fresh = known !== undefined && clock.now() < known.freshUntil;
      const ended = known?.credentials.expiresAt !== undefined && wall >= known.credentials.expiresAt;
      const pausing = failed !== undefined && clock.now() < failed.until;
      if (known && (fresh || (!ended && known.credentials !== refused))) {
        if (!fresh && !pausing && wall >= known.renewAt) run ??= start(clock);
        return known.credentials;
      }
      if (!run && failed && pausing) throw failed.error;
      run ??= start(clock);
      return await resultFor(run, signal);
    },
  };
}

function failedAgain(before: Failed | undefined, error: unknown, clock: Clock): Failed {
  const times = (before?.times ?? 0) + 1;
  return { times, error, until: later(clock.now(), Math.min(PAUSE_MS * 2 ** times, PAUSE_LIMIT_MS)) };
}

function freshUntil({ expiresAt = Number.POSITIVE_INFINITY }: PluginCredentials, clock: Clock): Monotonic {
  const leftMs = expiresAt - clock.wall().getTime();
  return later(clock.now(), Math.min(Math.max(leftMs, FRESH_LEAST_MS), FRESH_MS));
}

function renewAt({ expiresAt }: PluginCredentials, startedAt: number): number {
  if (expiresAt === undefined) return Number.POSITIVE_INFINITY;
  return expiresAt - Math.min(AHEAD_MS, (expiresAt - startedAt) * AHEAD_PART);
}

/** Until the signal aborts; the last who leaves ends the plugin. */
async function resultFor(run: Run, signal: AbortSignal): Promise<PluginCredentials> {
  let leave = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
  });
  run.waiting += 1;
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    return await Promise.race([run.result, left]);
  } finally {
    signal.removeEventListener('abort', leave);
    run.waiting -= 1;
    if (run.waiting === 0) run.giveUp();
  }
}
