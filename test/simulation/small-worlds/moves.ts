/** What can happen next in a small world: somebody takes its turn, time passes, something late comes, somebody does what it may do once. */
import type { Timers } from './timers.ts';

export interface Move {
  name: string;
  make(): void;
}

/** A request on its way. */
export interface Flight {
  name: string;
  /** Serves it, once; undefined when it has been. */
  apply: (() => void) | undefined;
  /** Carries the answer back; undefined before it is served, and when nobody waits for it any more. */
  answer: (() => void) | undefined;
  /** Time has been allowed to pass while it was on its way: that is paid for. */
  slow: boolean;
}

export interface Situation {
  timers: Timers;
  flights: Set<Flight>;
  /** Events of each watch, in their order. */
  hints: Map<string, (() => void)[]>;
  /** What may be done once, at any time. */
  deeds: Map<string, () => void>;
  /** How much may still be late. */
  faults: number;
}

export const movesOf = (situation: Situation, untilMs: number): Move[] => [
  ...turns(situation),
  ...wait(situation, untilMs),
  ...latecomers(situation),
  ...once(situation),
];

/** What costs nothing: it only takes its turn. */
function turns({ timers, flights, hints }: Situation): Move[] {
  const moves: Move[] = timers.due().map((timer) => ({
    name: `${timer.whose}: its timer`,
    make() {
      timers.take(timer);
      timer.fire();
    },
  }));
  for (const flight of flights) {
    if (flight.apply && !flight.slow) moves.push({ name: `${flight.name} is served`, make: flight.apply });
    else if (flight.answer && !flight.slow) moves.push({ name: `${flight.name} is answered`, make: flight.answer });
  }
  for (const [whose, queue] of hints) {
    if (queue.length > 0) moves.push({ name: `${whose}: a watch event`, make: () => queue.shift()?.() });
  }
  return moves;
}

/** Time passes: for nothing if nothing is under way, else each request that is left on its way is a fault, and so is a watch, which then is broken. */
function wait(situation: Situation, untilMs: number): Move[] {
  const { timers, flights, hints, faults } = situation;
  const left = [...flights].filter(({ slow }) => !slow);
  const broken = [...hints].filter(([, queue]) => queue.length > 0).map(([whose]) => whose);
  const cost = left.length + broken.length;
  if (timers.due().length > 0 || cost > faults || timers.next() > untilMs) return [];
  const late = [...left.map(({ name }) => name), ...broken.map((whose) => `${whose}'s watch`)].join(', ');
  return [
    {
      name: cost > 0 ? `time passes while ${late} is on the way` : 'time passes',
      make() {
        situation.faults -= cost;
        for (const flight of left) flight.slow = true;
        for (const whose of broken) hints.delete(whose);
        timers.pass();
      },
    },
  ];
}

/** What is late comes whenever it likes. */
const latecomers = ({ flights }: Situation): Move[] =>
  [...flights].flatMap(({ name, slow, apply, answer }) => {
    const make = apply ?? answer;
    return slow && make ? [{ name: `${name} is ${apply ? 'served' : 'answered'} late`, make }] : [];
  });

const once = ({ deeds }: Situation): Move[] =>
  [...deeds].map(([name, make]) => ({
    name,
    make() {
      deeds.delete(name);
      make();
    },
  }));
