/** A participant of a small world: the real loop, an API client whose requests are moves on the board, and a command that ends as late as it may. */
import type { Answer } from '../../../src/api/answers.ts';
import type { LeaseClient } from '../../../src/api/lease-client.ts';
import type { Clock, Monotonic, Steady } from '../../../src/clock.ts';
import type { HeldLock, LockEvent, Participant } from '../../../src/lock/index.ts';
import type { RawLease } from '../../../src/protocol/lease.ts';
import type { Author } from '../history.ts';
import type { Source } from '../ours.ts';
import { EPOCH_MS } from '../process.ts';
import type { Write } from '../server.ts';
import type { Board } from './board.ts';
import type { Flight } from './moves.ts';

export interface Cast {
  name: string;
  durationMs: number;
  graceMs: number;
  /** How long its command works; undefined: until it is stopped. */
  worksMs?: number;
  /** It may be gone at any time. */
  mortal?: boolean;
  watches?: boolean;
  /** The lock may be handed to it. */
  direct?: boolean;
}

/** Lets it want the lock; an error is told to the checker. */
export function enter(board: Board, cast: Cast, source: Source): void {
  const { name } = cast;
  const author: Author = { name, kind: 'ours', id: name, nonce: name, durationMs: cast.durationMs };
  const result = source.timings(cast.durationMs, cast.graceMs);
  if (result.kind !== 'timings') throw new Error(`${name}: ${result.kind}`);
  const life = { alive: true };
  const participant = newParticipantOf(board, { cast, author, life, timings: result.timings });
  const tell = (text: string) => board.listen(board.now(), { type: 'told', author, text });
  const live = async () => {
    board.listen(board.now(), { type: 'queued', author, patient: true });
    // Whoever is served when is for the long runs: here everybody may be slow.
    board.listen(board.now(), { type: 'troubled', author, source: 'request', by: 'a small world', lasting: true });
    const command = newCommand(board, { author, participant, cast, life });
    const onEvent = (event: LockEvent) => {
      if (event.type === 'renewed') command.heard(event.deadlines.killBy);
      if (event.type === 'released' || event.type === 'left-queue')
        board.listen(board.now(), { type: 'said', author, what: event.type });
      else if (event.type === 'release-failed') board.listen(board.now(), { type: 'said', author, what: 'could-not-leave' });
      else if (event.type === 'lost') board.listen(board.now(), { type: 'lost', author, reason: event.reason });
    };
    const acquisition = await source.acquire(participant, { onEvent, killable: cast.direct });
    board.listen(board.now(), { type: 'unqueued', author, outcome: acquisition.kind });
    if (acquisition.kind !== 'held') return;
    await command.run(acquisition.lock);
    await acquisition.lock.release();
  };
  board.at(name, 0, () => void live().catch((error: unknown) => tell(`threw ${error instanceof Error ? error.stack : error}`)));
  if (cast.mortal) board.deeds.set(`${name}: crashes`, () => crash(board, author, life));
}

interface Life {
  alive: boolean;
}

function crash(board: Board, author: Author, life: Life): void {
  life.alive = false;
  board.vanish(author.name);
  board.took(author.name, 'crash');
  board.listen(board.now(), { type: 'troubled', author, source: 'process', by: 'crashed', lasting: true });
}

interface Making {
  cast: Cast;
  author: Author;
  life: Life;
  timings: Participant['timings'];
}

function newParticipantOf(board: Board, { cast, author, life, timings }: Making): Participant {
  const { name } = cast;
  let marks = 0;
  const clock: Clock = {
    now: () => board.now() as Monotonic,
    steady: () => board.now() as Steady,
    doubts: () => 0,
    wall: () => new Date(EPOCH_MS + board.now()),
    // Looking for clocks that step, where none does, is nothing that happens.
    at: (when, fire) => board.at(name, when, fire, when - board.now() === timings.renewEveryMs / 4),
  };
  return {
    client: newClient(board, { cast, author, life, clock }),
    clock,
    timings,
    createIfAbsent: true,
    newMark: () => `${name}/${++marks}`,
    random: () => 0.5,
    me: {
      ...{ namespace: 'ns', name: 'lock', id: name, nonce: name, priority: 0, durationMs: cast.durationMs, about: {} },
      since: new Date(EPOCH_MS).toISOString(),
      legacyExpiry: false,
    },
  };
}

type Request = (what: string, serve: () => Answer, timeoutMs: number) => Promise<Answer>;

/** The requests of one participant, each in flight until it is served and answered, or given up. */
function requester(board: Board, { cast: { name }, author, life, clock }: Omit<Making, 'timings'> & { clock: Clock }): Request {
  const { flights, listen } = board;
  let requests = 0;
  return (what, serve, timeoutMs) => {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    let result: Answer | undefined;
    const settle = (answer: Answer) => {
      undo();
      flight.answer = undefined;
      if (!flight.apply) flights.delete(flight);
      board.took(name, JSON.stringify(answer));
      if (answer.kind === 'lease' || answer.kind === 'absent')
        listen(board.now(), { type: 'shown', author, lease: answer.kind === 'lease' ? answer.lease : undefined, byAnswer: true });
      resolve(answer);
    };
    const undo = clock.at((board.now() + timeoutMs) as Monotonic, () => {
      waits = false;
      settle({ kind: 'failed', message: 'no answer', applied: 'unknown' });
    });
    let waits = true;
    const flight: Flight = {
      name: `${name}'s ${what} ${++requests}`,
      slow: false,
      answer: undefined,
      apply() {
        flight.apply = undefined;
        result = serve();
        if (waits && life.alive) flight.answer = () => settle(result as Answer);
        else flights.delete(flight);
      },
    };
    flights.add(flight);
    return promise;
  };
}

function newClient(board: Board, making: Omit<Making, 'timings'> & { clock: Clock }): LeaseClient {
  const { cast, author, life } = making;
  const { server } = board;
  const request = requester(board, making);
  const get = (): Answer => {
    const { lease } = server.get();
    return lease ? { kind: 'lease', lease } : { kind: 'absent' };
  };
  const put = (lease: RawLease, write: Write): Answer => {
    const stored = server.put(lease, write);
    return typeof stored === 'string' ? { kind: 'conflict' } : { kind: 'lease', lease: stored };
  };
  return {
    server: 'small',
    read: ({ timeoutMs }) => request('GET', get, timeoutMs),
    write(lease, { manager, timeoutMs }) {
      const write = { author, manager, sent: { local: board.now(), time: board.now() } };
      return request('PUT', () => put(lease, write), timeoutMs);
    },
    watch: ({ onEvent }, since) => watch(board, { cast, author, life, onEvent, since }),
    close() {},
  };
}

interface Watching extends Omit<Making, 'timings'> {
  onEvent: (event: { lease: RawLease | undefined }) => void;
  since: string | undefined;
}

/** One connection that never breaks: what it brings may be late, and is in its order. */
function watch(board: Board, { cast, author, life, onEvent, since }: Watching): () => void {
  if (!cast.watches) return () => {};
  const queue: (() => void)[] = [];
  let over = false;
  const bring = (lease: RawLease | undefined) =>
    void queue.push(() => {
      if (over || !life.alive) return;
      board.took(cast.name, `watch ${JSON.stringify(lease)}`);
      board.listen(board.now(), { type: 'shown', author, lease, byAnswer: false });
      onEvent({ lease });
    });
  for (const lease of (since && board.server.since(since)) || []) bring(lease);
  board.hints.set(cast.name, queue);
  const off = board.server.onCommit(({ after }) => {
    if (life.alive && board.hints.get(cast.name) === queue) bring(after);
  });
  return () => {
    over = true;
    off();
    if (board.hints.get(cast.name) === queue) board.hints.delete(cast.name);
  };
}

interface CommandMaking {
  author: Author;
  participant: Participant;
  cast: Cast;
  life: Life;
}

/** Its watchdog lives outside the guard; whatever ends it, it takes all the time that it is given. */
function newCommand(board: Board, { author, participant, cast, life }: CommandMaking) {
  const { killGraceMs, reapMs } = participant.timings;
  const machine = `${cast.name}'s command`;
  let undo: (() => void)[] = [];
  let over = false;
  let reaped = () => {};
  const end = (how: string) => {
    if (over) return;
    over = true;
    for (const each of undo) each();
    board.took(machine, how);
    board.listen(board.now(), { type: 'ended', author, clock: board.now(), how });
    if (life.alive) reaped();
  };
  const within = (ms: number, how: string) => void undo.push(board.at(machine, board.now() + ms, () => end(how)));
  let unwatch = () => {};
  const heard = (killBy: number) => {
    unwatch();
    unwatch = board.at(machine, killBy + reapMs, () => end('killed by the supervisor'));
    undo = [...undo, unwatch];
  };
  return {
    heard: (killBy: number) => {
      if (!over) heard(killBy);
    },
    run(lock: HeldLock): Promise<void> {
      board.listen(board.now(), { type: 'started', author, token: lock.token });
      heard(lock.deadlines().killBy);
      if (cast.worksMs !== undefined) within(cast.worksMs, 'ended by itself');
      const stop = () => within(killGraceMs + reapMs, 'killed');
      lock.lost.addEventListener('abort', stop, { once: true });
      lock.stopRequested.addEventListener('abort', stop, { once: true });
      return new Promise((resolve) => {
        reaped = resolve;
      });
    },
  };
}
