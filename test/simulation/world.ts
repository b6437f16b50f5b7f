/**
 * True time, and what happens in it: a queue of events, each run when its moment has come and the one before has had all its consequences.
 * Nothing here waits in real time, and the order is the same in every run.
 */
export interface World {
  /** Milliseconds of true time since the run began. */
  now(): number;
  /** Runs `happen` at that time; a true answer says that code under test ran, whose promises must come to rest before the next event. */
  at(time: number, happen: () => boolean | undefined): void;
  /** Runs until the time is reached or `isOver` says so; the number of events. */
  run(until: number, isOver: () => boolean): Promise<number>;
}

/** More events than this within one millisecond of true time means that somebody goes round in circles. */
const CIRCLING = 50_000;

export class Circling extends Error {
  override readonly name = 'Circling';
}

interface Happening {
  time: number;
  order: number;
  happen: () => boolean | undefined;
}

export function newWorld(): World {
  const heap: Happening[] = [];
  let now = 0;
  let order = 0;
  return {
    now: () => now,
    at(time, happen) {
      push(heap, { time: Math.max(time, now), order: order++, happen });
    },
    run(until, isOver) {
      let steps = 0;
      let crowded = 0;
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const go = () => {
        try {
          for (;;) {
            const next = heap[0];
            if (!next || next.time > until || isOver()) {
              now = Math.max(now, Math.min(until, next?.time ?? until));
              return resolve(steps);
            }
            pop(heap);
            crowded = next.time - now < 1e-3 ? crowded + 1 : 0;
            if (crowded > CIRCLING) throw new Circling(`${CIRCLING} events without any time passing`);
            now = next.time;
            steps += 1;
            // All promises settle before the next immediate: a turn of the real event loop is a full stop of the simulated one.
            if (next.happen()) return setImmediate(go);
          }
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(go);
      return promise;
    },
  };
}

const before = (a: Happening, b: Happening): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

function push(heap: Happening[], item: Happening): void {
  let index = heap.length;
  heap.push(item);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (!above || before(above, item)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = item;
}

function pop(heap: Happening[]): void {
  const item = heap.pop();
  if (!item || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    const left = heap[child];
    if (!left) break;
    const right = heap[child + 1];
    if (right && before(right, left)) child += 1;
    const below = heap[child];
    if (!below || before(item, below)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = item;
}
