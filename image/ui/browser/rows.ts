/// <reference lib="dom" />
/** The list of locks: a row for each, which opens. */
import type { LockView } from '../view.ts';
import { fillDetails } from './details.ts';
import { age, found, make } from './dom.ts';
import { keyOf, locks, namespaces } from './state.ts';
import { drawTimeline, emptyTimeline } from './timeline.ts';

interface Row {
  item: HTMLLIElement;
  button: HTMLButtonElement;
  svg: SVGSVGElement;
  details: HTMLElement;
}

const rows = new Map<string, Row>();
const filter = found<HTMLInputElement>('filter');

function rowOf(key: string): Row {
  const known = rows.get(key);
  if (known) return known;
  const button = make('button', 'row');
  const details = make('div', 'details');
  button.type = 'button';
  details.id = `details-${rows.size}`;
  details.hidden = true;
  button.setAttribute('aria-controls', details.id);
  button.addEventListener('click', () => {
    details.hidden = !details.hidden;
    drawLock(key);
  });
  const row = { item: make('li', '', button, details), button, svg: emptyTimeline(), details };
  rows.set(key, row);
  return row;
}

export function drawLock(key: string): void {
  const view = locks.get(key);
  if (!view) return;
  const { button, svg, details } = rowOf(key);
  const [holder, ...others] = view.holders;
  const who = holder ? `${holder.id}${others.length > 0 ? ` + ${others.length} more` : ''}` : '';
  const held = age(holder?.sinceAt);
  held.className = 'number held';
  const timeline = make('span', 'timeline');
  timeline.append(svg);
  button.replaceChildren(
    make('span', `state ${view.tone}`, view.state),
    make('span', 'name', namespaces ? make('span', 'dim', `${view.namespace}/`) : undefined, view.name),
    make('span', 'holder', who),
    held,
    make('span', 'number waiting', view.queue.length > 0 ? String(view.queue.length) : ''),
    timeline,
  );
  button.setAttribute('aria-expanded', String(!details.hidden));
  const waiting = view.queue.length === 0 ? 'nobody waits' : `${view.queue.length} waiting`;
  button.setAttribute('aria-label', `${key}: ${view.state}${who ? `, held by ${who}` : ''}, ${waiting}`);
  if (!details.hidden) fillDetails(details, view);
  drawTimeline(svg, key);
}

export function drawTimelines(): void {
  for (const [key, { item, svg }] of rows) if (item.isConnected) drawTimeline(svg, key);
}

function matches(view: LockView): boolean {
  const wanted = filter.value.trim().toLowerCase();
  const people = [...view.holders, ...view.queue].flatMap(({ id, who, reason }) => [id, who, reason]);
  return [keyOf(view), view.state, ...people].some((text) => text.toLowerCase().includes(wanted));
}

/** Puts the rows in order, as far as the filter lets them through. */
export function arrange(): void {
  const shown = [...locks.values()].filter(matches).sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
  const wanted = shown.map((view) => rowOf(keyOf(view)).item);
  const list = found('locks');
  // A row that is moved loses the focus.
  const focused = document.activeElement as HTMLElement | null;
  if (wanted.length !== list.children.length || wanted.some((item, i) => list.children[i] !== item)) {
    list.replaceChildren(...wanted);
    focused?.focus();
  }
  const held = shown.filter(({ holders }) => holders.length > 0).length;
  const waiting = shown.reduce((sum, { queue }) => sum + queue.length, 0);
  const counted = `${shown.length} ${shown.length === 1 ? 'lock' : 'locks'}`;
  found('summary').textContent = `${counted}, ${held} held, ${waiting} waiting`;
  found('none').hidden = locks.size > 0;
}

filter.addEventListener('input', arrange);

const buttons = () => [...document.querySelectorAll<HTMLButtonElement>('#locks button.row')];
const around = (button: HTMLButtonElement) => button.parentElement?.contains(document.activeElement) === true;

export function moveFocus(by: number): void {
  const all = buttons();
  all[Math.min(all.length - 1, Math.max(0, all.findIndex(around) + by))]?.focus();
}

/** The details around what has the focus; else the filter is emptied. */
export function close(): void {
  const inside = buttons().find(around);
  if (inside?.getAttribute('aria-expanded') === 'true') {
    inside.click();
    inside.focus();
  } else if (filter.value !== '') {
    filter.value = '';
    arrange();
  }
}
