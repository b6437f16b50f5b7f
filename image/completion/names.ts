/** Names that the cluster knows, for completion: as far as the caller may see them, within the time that somebody waits who has pressed a key. */
import { findCluster } from '../../src/api/find-cluster.ts';
import { connect } from '../../src/api/http.ts';
import { leaseReader } from '../../src/api/lease-list.ts';
import { type Clock, later, systemClock, waitUntil } from '../../src/clock.ts';
import type { LockReport } from '../../src/protocol/report.ts';
import { USER_AGENT } from '../../src/version.ts';
import { visible } from '../../src/visible.ts';
import type { Env, Reader } from '../command-line.ts';
import { type Lock, readLocks, type Wanted } from '../operate/locks.ts';
import { lockSettings } from '../operate/operator.ts';
import { age } from '../operate/table.ts';
import { describeLife, stateOf } from '../operate/words.ts';
import type { Names } from '../option.ts';
import { MANAGED } from '../option-table.ts';
import { connectSettings } from '../options.ts';
import type { Candidate } from './words.ts';

/** Longer, and a terminal seems to hang; a credential plugin of a cloud takes about one second. */
const PATIENCE_MS = 3000;

export interface Asking {
  read: Reader;
  operands: readonly string[];
  env: Env;
}

/** None where the cluster is not found, does not answer, or refuses. */
export async function readNames(names: Names, asking: Asking): Promise<Candidate[]> {
  const clock = systemClock();
  const late = waitUntil(clock, later(clock.now(), PATIENCE_MS)).then(() => []);
  // Whatever it is: those who press a key have not asked for a message.
  const found = await Promise.race([ask(names, asking, clock).catch(() => []), late]);
  return found.filter(({ value }) => isOneWord(value));
}

/** No other can be told from the protocol, or typed. */
const isOneWord = (value: string): boolean => value === visible(value) && /^[^\s:]\S*$/.test(value);

async function ask(names: Names, { read, operands, env }: Asking, clock: Clock): Promise<Candidate[]> {
  const settings = connectSettings(read);
  const found = await findCluster({ ...settings, env });
  if (found.kind !== 'cluster') return [];
  const { cluster } = found;
  if (names === 'namespaces') {
    const path = '/api/v1/namespaces?limit=500';
    const reply = await connect(cluster, clock, USER_AGENT).send({ method: 'GET', path, timeoutMs: PATIENCE_MS });
    return reply.kind === 'reply' && reply.status === 200 ? namesIn(reply.body) : [];
  }
  const namespace = settings.namespace ?? cluster.namespace;
  const wanted: Wanted =
    names === 'locks'
      ? { names: [], namespace, selector: MANAGED }
      : { names: [lockSettings(read, operands).name], namespace, selector: '' };
  const locks = await readLocks(leaseReader(cluster, clock), wanted, clock);
  if (locks.kind !== 'locks') return [];
  return names === 'locks' ? locks.locks.map(candidateOf) : locks.locks.flatMap((lock) => partsOf(names, lock));
}

function namesIn(body: string): Candidate[] {
  const { items } = JSON.parse(body) as { items: { metadata: { name: string } }[] };
  return items.map(({ metadata }) => ({ value: metadata.name }));
}

function candidateOf(lock: Lock): Candidate {
  if (lock.kind !== 'report') return { value: lock.name };
  const [first] = lock.report.holders;
  return { value: lock.name, about: `${stateOf(lock.report)}${first ? `, held by ${first.holder.id}` : ''}` };
}

function partsOf(names: 'holders' | 'waiters', lock: Lock): Candidate[] {
  if (lock.kind !== 'report') return [];
  return names === 'holders' ? holdersOf(lock.report) : waitersOf(lock.report);
}

/** By id; by key where that would name several. */
function holdersOf({ holders }: LockReport): Candidate[] {
  const ids = holders.map(({ holder }) => holder.id);
  return holders.map((report) => {
    const { id, key } = report.holder;
    return { value: ids.filter((each) => each === id).length > 1 ? key : id, about: describeLife(report) };
  });
}

const waitersOf = ({ queue }: LockReport): Candidate[] =>
  queue.map(({ waiter, place, waitingMs }) => ({
    value: waiter.key,
    about: `place ${place}: ${waiter.id}${waitingMs === undefined ? '' : `, waiting for ${age(waitingMs)}`}`,
  }));
