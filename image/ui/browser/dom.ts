/// <reference lib="dom" />
/** Elements, and texts that count. All text is text: nothing of it becomes an element. */
import { now } from './state.ts';

export type Child = Node | string | undefined;

export const found = <E extends HTMLElement = HTMLElement>(id: string): E => document.getElementById(id) as E;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string>,
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function action(name: string, label: string, go: () => void, className = ''): HTMLButtonElement {
  const button = make('button', className, label);
  button.type = 'button';
  button.dataset.act = name;
  button.addEventListener('click', go);
  return button;
}

export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s}s`;
  if (s < 7200) return `${Math.floor(s / 60)}m${s % 60 ? `${s % 60}s` : ''}`;
  if (s < 172_800) return `${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86_400)}d`;
}

/** How long ago, or until then. */
export function age(at: number | undefined, words: (text: string) => string = (text) => text): HTMLElement {
  const element = make('span', '');
  if (at === undefined) return element;
  const write = () => {
    element.textContent = words(span(Math.abs(now() - at)));
  };
  element.dataset.counts = '';
  element.addEventListener('tick', write);
  write();
  return element;
}

/** Each second. */
export function tick(): void {
  for (const element of document.querySelectorAll('[data-counts]')) element.dispatchEvent(new Event('tick'));
}
