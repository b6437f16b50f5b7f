/** `hold` as a sidecar on one API server: started, asked as a kubelet asks it, and what the Lease says of its lock. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { faultProxy } from '../harness/fault-proxy.ts';
import { type Guard, guard, reach, tempFolder } from '../harness/guards.ts';
import type { ApiTarget } from '../harness/targets.ts';
import { until } from '../harness/until.ts';

export interface Sidecar extends Guard {
  port: string;
  /** What the kubelet would be told. */
  page(): Promise<{ status: number; words: string }>;
  tells(status: number, words: RegExp): Promise<void>;
}

export interface Sidecars {
  /** The options that lead to a lock. */
  where(name: string, url?: string): Promise<string[]>;
  hold(t: TestContext, name: string, args?: string[], options?: { dir?: string; url?: string }): Promise<Sidecar>;
  holderOf(name: string): Promise<string | undefined>;
  /** Writes as somebody else would. */
  overwrite(name: string, change: object): Promise<void>;
  /** Asks the holder of that lock to stop. */
  askToStop(name: string, reason?: string): Promise<void>;
}

export function sidecarsOn(target: ApiTarget): Sidecars {
  const namespace = target.namespace('hold');
  const where = async (name: string, url = target.url) => [...reach({ ...target, url }), '-n', await namespace, '--name', name];
  const pathOf = async (name: string) => `/apis/coordination.k8s.io/v1/namespaces/${await namespace}/leases/${name}`;
  const holderOf = async (name: string) => (await target.request('GET', await pathOf(name))).body.spec?.holderIdentity;
  const overwrite = async (name: string, change: object) => {
    const options = { contentType: 'application/merge-patch+json' };
    const { status, text } = await target.request('PATCH', await pathOf(name), change, options);
    assert.equal(status, 200, text);
  };
  return {
    where,
    holderOf,
    overwrite,
    async hold(t, name, args = [], { dir = tempFolder(t), url = target.url } = {}) {
      const started = guard(t, ['hold', ...(await where(name, url)), '-v', '--dir', dir, '--status-port', '0', ...args]);
      return await asked(started);
    },
    async askToStop(name, reason) {
      const stop = { holder: await holderOf(name), by: 'admin', kind: 'unlock', reason, at: '2026-01-01T00:00:00Z' };
      const lock = JSON.stringify({ v: 1, permits: 1, next: 2, stop });
      await overwrite(name, { metadata: { annotations: { 'lease-lock.nullplatform.com/lock': lock } } });
    },
  };
}

async function asked(started: Guard): Promise<Sidecar> {
  await started.says(/status and metrics on port \d+/);
  const port = /status and metrics on port (\d+)/.exec(started.stderr)?.[1] ?? '';
  const page = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/held`);
    return { status: response.status, words: await response.text() };
  };
  const tells = async (status: number, words: RegExp) => {
    let last = { status: 0, words: '' };
    const isSo = async () => {
      last = await page();
      return last.status === status && words.test(last.words);
    };
    await until(isSo, () => `${status} and ${words} from /held, but ${last.status}: ${last.words}`);
  };
  // Not spread: what it says is a getter.
  return Object.assign(started, { port, page, tells });
}

/** A command that runs under that lock until it gets a line. */
export async function occupied(t: TestContext, where: string[]): Promise<Guard> {
  const other = guard(t, ['run', ...where, '--', 'sh', '-c', 'echo running; read _']);
  await other.prints(/running/);
  return other;
}

/** A proxy in front of that API server, where it has TLS: the proxy speaks that to what is behind it. */
export async function proxyTo(t: TestContext, { url, ca }: ApiTarget) {
  if (!ca) return undefined;
  const proxy = await faultProxy({ url, ca });
  t.after(() => proxy.close());
  return proxy;
}
