/**
 * The same files, environment and options in the hands of two clients: kubectl's own library (test/cluster/clientcmd), and ours. Each makes one
 * request to a server that says what it has received (recorder.ts), or says why it makes none.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findCluster } from '../../src/api/find-cluster.ts';
import { connect } from '../../src/api/http.ts';
import { systemClock } from '../../src/clock.ts';
import { clientcmd } from '../cluster/binaries.ts';
import type { Received } from './recorder.ts';

export interface Given {
  kubeconfig?: string;
  context?: string;
  /** All of it, but PATH. */
  env: Record<string, string>;
  cwd: string;
}

export type Outcome =
  | { kind: 'reached'; namespace: string; received: Received }
  /** Nothing was asked of a server. */
  | { kind: 'refused'; message: string }
  /** The request failed. */
  | { kind: 'failed'; message: string };

const PATH = process.env.PATH ?? '';

/** Null where there is no Go to build it. */
export async function kubectlClient(): Promise<((given: Given) => Promise<Outcome>) | null> {
  const program = await clientcmd();
  if (typeof program !== 'string') return null;
  return async ({ kubeconfig, context, env, cwd }) => {
    const args = [
      ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
      ...(context === undefined ? [] : ['--context', context]),
    ];
    const { stdout } = await promisify(execFile)(program, args, { cwd, env: { PATH, ...env } });
    const { refused, failed, body, namespace } = JSON.parse(stdout);
    if (refused !== undefined) return { kind: 'refused', message: refused };
    return failed === undefined ? { kind: 'reached', namespace, received: body } : { kind: 'failed', message: failed };
  };
}

/** In this process, which must do nothing else meanwhile: it changes its folder. */
export async function ourClient({ kubeconfig, context, env, cwd }: Given): Promise<Outcome> {
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const found = await findCluster({ kubeconfig, context, env: { PATH, ...env } });
    if (found.kind === 'refused') return { kind: 'refused', message: found.message };
    const connection = connect(found.cluster, systemClock(), 'test/1');
    const reply = await connection.send({ method: 'GET', path: '/probe', timeoutMs: 20_000 });
    connection.close();
    if (reply.kind === 'broken') return { kind: 'failed', message: reply.message };
    return { kind: 'reached', namespace: found.cluster.namespace, received: JSON.parse(reply.body) };
  } finally {
    process.chdir(before);
  }
}
