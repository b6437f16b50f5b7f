/// <reference lib="dom" />
/** What is shown of a lock when its row is open: what happens next, who holds it, who waits, and what can be done about it. */
import type { HolderView, LockView, WaiterView } from '../view.ts';
import { ask, change } from './ask.ts';
import { action, age, type Child, found, make } from './dom.ts';
import { keyOf, now, writes } from './state.ts';

export function fillDetails(details: HTMLElement, view: LockView): void {
  // What has the focus is made again.
  const focused = details.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset.act : undefined;
  details.replaceChildren(
    make('p', '', `${view.next.charAt(0).toUpperCase()}${view.next.slice(1)}.`),
    ...view.notes.map((note) => make('p', 'dim', note)),
    ...(view.permits ? [permitsOf(view)] : []),
    ...view.holders.map((holder) => holderOf(view, holder)),
    ...(view.queue.length > 0 ? [queueOf(view)] : []),
  );
  if (focused) details.querySelector<HTMLElement>(`[data-act="${CSS.escape(focused)}"]`)?.focus();
}

function permitsOf(view: LockView): HTMLElement {
  const go = () =>
    ask(view, {
      kind: 'permits',
      title: `Change the permits of ${keyOf(view)}`,
      text: 'With more, waiters are let in. With fewer, nobody is stopped, and nobody is let in until enough have left.',
      field: 'Permits that the lock has from now on',
      verb: 'Change',
    });
  return make('p', '', `Permits: ${view.permits}. `, writes ? action('permits', 'Change…', go) : undefined);
}

function holderOf(view: LockView, holder: HolderView): HTMLElement {
  const { sinceAt, renewedAt, expiresAt, link } = holder;
  const rows: [string, Child][] = [
    ['Life', holder.trouble],
    ['Who', holder.who],
    ['Since', sinceAt === undefined ? undefined : new Date(sinceAt).toLocaleString()],
    ['Renewed', renewedAt === undefined ? undefined : age(renewedAt, (text) => `${text} ago`)],
    [
      'Expires',
      expiresAt === undefined ? undefined : age(expiresAt, (text) => (expiresAt > now() ? `in ${text}` : `${text} ago`)),
    ],
    ['Reason', holder.reason],
    ['Link', link ? linkTo(link) : undefined],
    ['Key', holder.key],
  ];
  const given = rows.filter(([, text]) => text !== undefined && text !== '');
  const list = make('dl', '', ...given.flatMap(([term, text]) => [make('dt', '', term), make('dd', '', text)]));
  return make('section', '', make('h3', '', `Holder ${holder.id}`), list, writes ? holderActions(view, holder) : undefined);
}

function linkTo(link: string): HTMLElement {
  const anchor = make('a', '', link);
  anchor.href = link;
  anchor.rel = 'noopener noreferrer';
  anchor.target = '_blank';
  return anchor;
}

const CLEARING = 'The next in the queue starts immediately. Nothing stops the command of the holder, if it is alive after all.';

function holderActions(view: LockView, { key, id }: HolderView): HTMLElement {
  const asking = (kind: string, verb: string, text: string, className = '') => {
    const title = `${verb}: ${id}, which holds ${keyOf(view)}`;
    const go = () => ask(view, { kind, named: key, title, text, field: 'Reason', verb });
    return action(`${kind} ${key}`, `${verb}…`, go, className);
  };
  return make(
    'div',
    'acts',
    asking('ask', 'Ask to stop', 'It stops its command, and releases the lock.'),
    asking('clear', 'Clear', `${CLEARING} A holder that has renewed lately is not cleared.`),
    asking('clear-live', 'Clear even if alive', `${CLEARING} Until it learns of this, two commands may run.`, 'harsh'),
  );
}

/** Those that are left out on a narrow screen are marked. */
const COLUMNS: [string, string, (waiter: WaiterView, i: number) => Child][] = [
  ['Place', '', (_, i) => String(i + 1)],
  ['Waiting', '', ({ since }) => age(since)],
  ['Id', '', ({ id }) => id],
  ['Who', 'extra', ({ who }) => who],
  ['Priority', 'extra', ({ priority }) => String(priority)],
  ['Reason', 'extra', ({ reason }) => reason],
];

function queueOf(view: LockView): HTMLElement {
  const heads = COLUMNS.map(([title, className]) => {
    const head = make('th', className, title);
    head.scope = 'col';
    return head;
  });
  const rows = view.queue.map((waiter, i) => {
    const cells = COLUMNS.map(([, className, text]) => make('td', className, text(waiter, i)));
    return make('tr', '', ...cells, writes ? make('td', '', waiterActions(view, waiter, i)) : undefined);
  });
  const head = make('thead', '', make('tr', '', ...heads, writes ? make('td', '') : undefined));
  return make('section', '', make('h3', '', 'Queue'), make('table', '', head, make('tbody', '', ...rows)));
}

function waiterActions(view: LockView, { key, id }: WaiterView, i: number): HTMLElement {
  const move = async (to: number) => {
    found('said').textContent = (await change(view, { kind: 'move', named: key, number: to })).message;
  };
  const remove = () =>
    ask(view, {
      kind: 'remove',
      named: key,
      title: `Remove ${id} from the queue of ${keyOf(view)}`,
      text: 'It leaves the queue, and its command does not run.',
      field: 'Reason',
      verb: 'Remove',
    });
  return make(
    'div',
    'acts',
    i > 0 ? action(`up ${id}`, 'Up', () => void move(i)) : undefined,
    i < view.queue.length - 1 ? action(`down ${id}`, 'Down', () => void move(i + 2)) : undefined,
    action(`remove ${id}`, 'Remove…', remove),
  );
}
