/**
 * What the suites of API behaviour share: the servers to ask, a namespace of one's own on each, and short names for requests about
 * Leases. A suite states what the real server does; that the embedded one does the same is the point.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import type { Answer, ApiObject, Metadata, RequestOptions } from '../harness/api.ts';
import { type ApiTarget, targets } from '../harness/targets.ts';
import { type Answers, answersOf } from '../versions/answers.ts';

export const NOW = '2026-11-24T05:59:47.123456Z';
export const LATER = '2026-11-24T05:59:48.654321Z';
export const MERGE: RequestOptions = { contentType: 'application/merge-patch+json' };

export interface Lab extends ApiTarget {
  ns: string;
  /** What depends on its version. */
  answers: Answers;
  /** The path of a Lease, or of the collection, with a query. */
  path(name?: string, query?: string): string;
  put(name: string, spec?: object, metadata?: object, query?: string): Promise<Answer>;
  get(name: string): Promise<ApiObject>;
  /** Reads, lets `change` change what was read, and puts it back: how every client of the protocol writes. */
  rewrite(name: string, change: (lease: ApiObject) => void, query?: string): Promise<Answer>;
  delete(name: string, options?: object): Promise<Answer>;
}

/** One lab for each server; they close when the file's tests are done. */
export async function labs(): Promise<Lab[]> {
  const all = await targets();
  after(() => Promise.all(all.map((target) => target.close())));
  return Promise.all(all.map(lab));
}

export function lease(name: string, spec: object = {}, metadata: object = {}): object {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, ...metadata }, spec };
}

/** The owner of `spec.<field>` and the time of its last write. */
export function ownerOf(metadata: Metadata, field: string): { manager: string; time: string } | undefined {
  const entry = metadata.managedFields?.find(({ fieldsV1 }) => Object.hasOwn((fieldsV1['f:spec'] ?? {}) as object, `f:${field}`));
  return entry && { manager: entry.manager, time: entry.time };
}

export function assertRefused(
  answer: Answer,
  expected: { status: number; reason?: string | undefined; message?: RegExp; details?: object },
): void {
  assert.equal(answer.status, expected.status, answer.text);
  assert.equal(answer.body.kind, 'Status');
  assert.equal(answer.body.status, 'Failure');
  assert.equal(answer.body.code, expected.status);
  assert.equal(answer.body.reason, expected.reason);
  if (expected.message) assert.match(answer.body.message ?? '', expected.message);
  if (expected.details) assert.deepEqual(answer.body.details, expected.details);
}

async function lab(target: ApiTarget): Promise<Lab> {
  const ns = await target.namespace();
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases`;
  const path = (name = '', query = '') => `${collection}${name && `/${name}`}${query && `?${query}`}`;
  const get = async (name: string) => (await target.request('GET', path(name))).body;
  return {
    ...target,
    ns,
    answers: answersOf(target.name),
    path,
    get,
    put: (name, spec, metadata, query) => target.request('PUT', path(name, query), lease(name, spec, metadata)),
    async rewrite(name, change, query) {
      const read = await get(name);
      change(read);
      return target.request('PUT', path(name, query), read);
    },
    delete: (name, options) => target.request('DELETE', path(name), options),
  };
}
