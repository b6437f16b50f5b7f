/**
 * The interface of src/api/lease-client.ts over the simulated server and network: for one participant, inside its process, by its clock.
 * A request that was given up may still arrive.
 */
import { type Answer, type Asked, answerOf as realAnswerOf } from '../../src/api/answers.ts';
import type { Reply } from '../../src/api/http.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Author, Listener } from './history.ts';
import type { Fate, Network } from './network.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { replyOf, TOO_LARGE } from './replies.ts';
import type { Server, Write } from './server.ts';
import { watch } from './watching.ts';
import type { World } from './world.ts';

export interface Surroundings {
  world: World;
  server: Server;
  network: Network;
  random: Random;
  listen: Listener;
}

export interface ClientOptions {
  process: Process;
  author: Author;
  /** The field manager of its writes; undefined: as it says with each. */
  manager?: string;
  /** How a reply of an API server is understood: that of the code under test. */
  answerOf?: typeof realAnswerOf;
  /** It may not watch, or something in between lets no watch through. */
  deaf?: boolean;
  /** A broken client, for the mutants: what it makes of the order of things. */
  twist?: { put?: (server: Server, lease: RawLease, write: Write) => RawLease | 'conflict' | 'too-large' } | undefined;
}

/** A silent watch is started again after so long, as a real client does. */
export const IDLE_MS = 90_000;
/** Slower than this is not punctual. */
export const SLOW_MS = 300;

export function newClient(around: Surroundings, options: ClientOptions): LeaseClient {
  const { world, server } = around;
  const { process, author, manager, twist } = options;
  const put = twist?.put ?? ((at, lease, write) => at.put(lease, write));
  const requests = new Requests(around, options);
  return {
    server: 'https://simulated',
    read: (how) =>
      requests.send({
        ...how,
        verb: 'read',
        serve() {
          const { lease } = server.get();
          return lease ? { kind: 'lease', lease } : { kind: 'absent' };
        },
      }),
    write(lease, { manager: given, dryRun = false, ...how }) {
      const write: Write = {
        author,
        manager: manager ?? given,
        sent: { local: process.toLocal(world.now()), time: world.now() },
      };
      return requests.send({
        ...how,
        verb: lease.metadata.uid === undefined ? 'create' : 'update',
        dry: dryRun,
        serve() {
          const stored = dryRun ? server.dry(lease, write) : put(server, lease, write);
          if (stored === 'too-large') return requests.understand('update', TOO_LARGE);
          return stored === 'conflict' ? { kind: 'conflict' } : { kind: 'lease', lease: stored };
        },
      });
    },
    watch: ({ onEvent }, since) => watch(around, options, { onEvent, since }),
    close() {},
  };
}

interface Asking {
  verb: Asked['verb'];
  dry?: boolean;
  serve(): Answer;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** The requests of one participant: whether they are punctual is told to whoever listens. */
class Requests {
  readonly #around: Surroundings;
  readonly #options: ClientOptions;
  #ailing = false;

  constructor(around: Surroundings, options: ClientOptions) {
    this.#around = around;
    this.#options = options;
  }

  understand(verb: Asked['verb'], reply: Reply): Answer {
    return (this.#options.answerOf ?? realAnswerOf)(reply, { verb, ...LEASE });
  }

  send({ verb, dry = false, serve, timeoutMs, signal }: Asking): Promise<Answer> {
    const { world, network, listen } = this.#around;
    const { process, author } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    listen(world.now(), { type: 'asked', author });
    const fate = network.fate(author.name);
    const slow = isSlow(fate);
    if (slow) this.#tell({ by: 'a slow request begins', lasting: true });
    let settled = false;
    const settle = (answer: Answer) => {
      if (settled) return;
      settled = true;
      undo();
      signal?.removeEventListener('abort', onAbort);
      this.#answered(answer, { slow, dry });
      resolve(answer);
    };
    const onAbort = () => settle({ kind: 'failed', message: 'aborted', applied: 'unknown' });
    const undo = process.clock.at((process.clock.now() + timeoutMs) as ReturnType<typeof process.clock.now>, () =>
      settle({ kind: 'failed', message: `no answer within ${timeoutMs} ms`, applied: 'unknown' }),
    );
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    const read = (reply: Reply) => this.understand(verb, reply);
    carry(this.#around, { fate, serve, read }, (answer) => process.deliver(() => settle(answer)));
    return promise;
  }

  /** What failed is tried again after a pause that the server may have asked for: until then it is not punctual. */
  #answered(answer: Answer, { slow, dry }: { slow: boolean; dry: boolean }): void {
    const { world, listen } = this.#around;
    const failed = answer.kind === 'failed' || answer.kind === 'refused';
    const comeBack = answer.kind === 'failed' && answer.comeBack && { comeBack: true as const };
    if (slow || failed) this.#tell({ by: failed ? 'failed' : 'a slow request', lasting: failed, ...comeBack });
    else if (this.#ailing) this.#tell({ by: 'well again' });
    this.#ailing = failed;
    // What was only tried tells of nothing that is there.
    if (dry || (answer.kind !== 'lease' && answer.kind !== 'absent')) return;
    const lease = answer.kind === 'lease' ? answer.lease : undefined;
    listen(world.now(), { type: 'shown', author: this.#options.author, lease, byAnswer: true });
  }

  #tell(trouble: { by: string; lasting?: boolean; comeBack?: true }): void {
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'troubled', author: this.#options.author, source: 'request', ...trouble });
  }
}

function isSlow({ arrivesAtDeletion, arrivesAfterMs = IDLE_MS, answersAfterMs = IDLE_MS, ...fate }: Fate): boolean {
  const { againAfterMs = 0, answerOfSecond } = fate;
  return arrivesAtDeletion || arrivesAfterMs + answersAfterMs + (answerOfSecond ? againAfterMs : 0) > SLOW_MS;
}

const LEASE = { namespace: 'ns', name: 'lock', server: 'https://simulated' };

interface Journey {
  fate: Fate;
  serve: () => Answer;
  /** What its sender makes of a reply. */
  read: (reply: Reply) => Answer;
}

/** Takes a request to the server, perhaps twice, and an answer back, perhaps none. */
function carry(
  { world, server, random }: Surroundings,
  { fate, serve, read }: Journey,
  answer: (answer: Answer) => boolean,
): void {
  const arrive = (answers: boolean) => {
    let result: Answer;
    if (fate.verdict === 'served') result = serve();
    else {
      if (fate.verdict === 'failed-but-done') serve();
      result = read(replyOf(fate, random));
    }
    if (answers && fate.answersAfterMs !== undefined) world.at(world.now() + fate.answersAfterMs, () => answer(result));
    return false;
  };
  if (fate.arrivesAfterMs === undefined) return;
  if (fate.arrivesAtDeletion) {
    const off = server.onCommit(({ after }) => {
      if (after) return;
      off();
      world.at(world.now() + 1, () => arrive(true));
    });
    return;
  }
  const first = world.now() + fate.arrivesAfterMs;
  world.at(first, () => arrive(!fate.answerOfSecond));
  if (fate.againAfterMs !== undefined) world.at(first + fate.againAfterMs, () => arrive(fate.answerOfSecond));
}
