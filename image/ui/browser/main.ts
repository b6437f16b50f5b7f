/// <reference lib="dom" />
/** The page: it takes in what it is sent, says whether that is up to date, and is used with the keyboard alone. */
import type { Message } from '../feed.ts';
import { found, span, tick } from './dom.ts';
import { arrange, close, drawLock, drawTimelines, moveFocus } from './rows.ts';
import { holds, keyOf, known, locks, now, writable, writes } from './state.ts';
import { scaleText } from './timeline.ts';

function take({ kind, at, locks: changed, gone, holds: news, trouble }: Message): void {
  if (at > 0) known.aheadMs = at - Date.now();
  const first = known.openedAt === 0;
  known.openedAt ||= at;
  known.trouble = trouble;
  known.live = true;
  if (kind === 'all') {
    locks.clear();
    holds.clear();
  }
  for (const hold of news) holds.set(hold.id, hold);
  for (const key of gone) locks.delete(key);
  for (const view of changed) locks.set(keyOf(view), view);
  for (const view of changed) drawLock(keyOf(view));
  if (first || kind === 'all' || changed.length + gone.length > 0) arrange();
  showConnection();
}

function showConnection(): void {
  const { live, trouble } = known;
  const fine = live && !trouble;
  const stale = 'Nothing below is up to date.';
  const lost = trouble ? `${trouble.message} (for ${span(now() - trouble.since)}).` : '';
  const text = !live ? `No connection to k8s-lease-lock ui: it may have ended. ${stale}` : trouble ? `${lost} ${stale}` : 'Live';
  const element = found('connection');
  // What is written again would be spoken again.
  if (element.textContent !== text) element.textContent = text;
  element.className = fine ? 'live' : 'trouble';
  found('locks').classList.toggle('stale', !fine);
}

const source = new EventSource('/events');
source.addEventListener('message', (event) => take(JSON.parse(event.data)));
source.addEventListener('error', () => {
  known.live = false;
  showConnection();
});

setInterval(() => {
  // What is not up to date stands still.
  if (known.live && !known.trouble) {
    tick();
    drawTimelines();
  }
  found('scale').textContent = scaleText();
}, 1000);

const HINT = 'Read-only: to change locks, open the address with a token that the terminal shows.';
found('mode').textContent = writes ? 'Locks can be changed here.' : writable ? HINT : 'Read-only.';

document.addEventListener('keydown', (event) => {
  if (found<HTMLDialogElement>('ask').open || event.ctrlKey || event.altKey || event.metaKey) return;
  const filter = found('filter');
  if (event.key === '/' && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === 'Escape') close();
  else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    event.preventDefault();
    moveFocus(event.key === 'ArrowDown' ? 1 : -1);
  }
});
