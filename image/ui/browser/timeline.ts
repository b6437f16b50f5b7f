/// <reference lib="dom" />
/** Who has held a lock: from the left, when the page was opened or ten minutes ago, to the right, which is now. */
import type { Hold } from '../feed.ts';
import { span, svgElement } from './dom.ts';
import { holds, known, locks, now } from './state.ts';

const WINDOW_MS = 10 * 60_000;
/** The first seconds do not race. */
const LEAST_MS = 10_000;
const [WIDTH, HEIGHT] = [1000, 18];

export const emptyTimeline = (): SVGSVGElement =>
  svgElement('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });

export const scaleText = (): string =>
  known.openedAt === 0 ? 'Timeline' : `Last ${span(Math.min(WINDOW_MS, Math.max(LEAST_MS, now() - known.openedAt)))}`;

export function drawTimeline(svg: SVGSVGElement, key: string): void {
  const until = now();
  const from = Math.max(known.openedAt, until - WINDOW_MS);
  const lengthMs = Math.max(LEAST_MS, until - from);
  const mine = [...holds.values()].filter(({ lock, to = until }) => lock === key && to >= from);
  const lanes = lanesOf(mine);
  const height = HEIGHT / Math.max(1, ...[...lanes.values()].map((lane) => lane + 1));
  const x = (at: number) => Math.max(0, ((at - from) / lengthMs) * WIDTH);
  const bars = mine.map((hold) => {
    const { to = until } = hold;
    const place = {
      x: x(hold.from),
      y: (lanes.get(hold) ?? 0) * height,
      width: Math.max(2, x(to) - x(hold.from) - 1),
      height: Math.max(2, height - 1),
    };
    const attributes = Object.fromEntries(Object.entries(place).map(([name, value]) => [name, value.toFixed(1)]));
    const tone = hold.to === undefined ? `now ${locks.get(key)?.tone ?? ''}` : 'past';
    const bar = svgElement('rect', { ...attributes, class: tone });
    const title = svgElement('title', {});
    title.textContent = `${hold.holder}, for ${span(to - hold.from)}`;
    bar.append(title);
    return bar;
  });
  svg.replaceChildren(...bars);
}

/** Those that share the lock lie below each other. */
function lanesOf(all: readonly Hold[]): Map<Hold, number> {
  const ends: number[] = [];
  const lanes = new Map<Hold, number>();
  for (const hold of [...all].sort((a, b) => a.from - b.from)) {
    // When one was over was seen a second later.
    const free = ends.findIndex((end) => end <= hold.from + 1500);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = hold.to ?? Number.POSITIVE_INFINITY;
    lanes.set(hold, lane);
  }
  return lanes;
}
