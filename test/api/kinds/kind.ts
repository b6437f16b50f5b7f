/** One kind of thing that a kubeconfig can say: the kubeconfig, and how it is named. The others of this folder have them by subject, to be read by rows. */
import type { Given } from '../../harness/two-clients.ts';

export interface Kind {
  content: string | object;
  given?: Given;
}

/** A kubeconfig with one cluster, one user and one context; `more` replaces whole fields of it. */
export const config = (cluster: object, user: object = { token: 't' }, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'x',
  clusters: [{ name: 'c', cluster }],
  users: [{ name: 'u', user }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  ...more,
});

export const context = (more: object) => ({ contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', ...more } }] });

export const V1 = 'client.authentication.k8s.io/v1';
export const V1BETA1 = 'client.authentication.k8s.io/v1beta1';
export const exec = (more: object = {}) => ({ exec: { apiVersion: V1, command: './plug', interactiveMode: 'Never', ...more } });

export type Kinds = Record<string, Kind>;
export const kinds = (contents: Record<string, string | object>): Kinds =>
  Object.fromEntries(Object.entries(contents).map(([name, content]) => [name, { content }]));
