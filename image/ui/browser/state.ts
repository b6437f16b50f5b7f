/// <reference lib="dom" />
/** What this page knows. */
import type { Hold, Message } from '../feed.ts';
import type { LockView } from '../view.ts';

/** By `namespace/name`. */
export const locks = new Map<string, LockView>();
export const holds = new Map<string, Hold>();

export const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

export const known = {
  /** How much the API server's clock is ahead of the browser's, in milliseconds. */
  aheadMs: 0,
  /** When the first news came, by the API server's clock. */
  openedAt: 0,
  trouble: undefined as Message['trouble'],
  /** k8s-lease-lock ui answers. */
  live: false,
};

export const now = (): number => Date.now() + known.aheadMs;

/** In the fragment of the address, which is sent nowhere. */
export const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
/** The locks are of several. */
export const namespaces = document.documentElement.dataset.namespaces === 'true';
export const writable = document.documentElement.dataset.writes === 'true';
export const writes = writable && token !== '';
