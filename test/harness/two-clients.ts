/**
 * The same files, environment and options in the hands of two clients: kubectl's own library (test/cluster/clientcmd), and ours. Each makes one
 * request to a server that says what it has received (recorder.ts), or says why it makes none.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { findCluster } from '../../src/api/find-cluster.ts';
import { connect } from '../../src/api/http.ts';
import { systemClock } from '../../src/clock.ts';
import { clientcmd } from '../cluster/binaries.ts';
import { type Certificates, certificatesIn } from './certificates.ts';
import { tempFolder } from './guards.ts';
import { type Received, type Recorder, startRecorder } from './recorder.ts';

export interface Given {
  kubeconfig?: string | undefined;
  context?: string | undefined;
  /** All of it, but PATH. */
  env?: Record<string, string>;
  /** Within the folder of the files. */
  cwd?: string;
}

export type Outcome =
  | { kind: 'reached'; namespace: string; received: Received }
  /** Nothing was asked of a server. */
  | { kind: 'refused'; message: string }
  /** The request failed. */
  | { kind: 'failed'; message: string };

export interface TwoClients {
  /** In which files are written, and for what is relative. The plugin `plug` is there, and the files of `certificates`. */
  folder: string;
  at: Recorder;
  certificates: Certificates;
  write(name: string, content: string | object): string;
  both(given: Given): Promise<{ kubectl: Outcome; ours: Outcome }>;
  ours(given: Given): Promise<Outcome>;
}

/** Why it can't be compared, or false. */
const program = await clientcmd();
export const incomparable = typeof program === 'string' ? false : program.missing;
if (incomparable && process.env.CI) throw new Error(incomparable);

const PATH = process.env.PATH ?? '';

/** Prints a token that tells how it was called, as a list in JSON: what the plugin was told, its arguments, two variables. */
const PLUGIN = `#!/bin/sh
text() { printf %s "$1" | sed 's/\\\\/\\\\\\\\/g; s/"/\\\\"/g'; }
told="[\${KUBERNETES_EXEC_INFO:-null}, \\"$(text "$*")\\", \\"$(text "$ONE")\\", \\"$(text "$TWO")\\"]"
token=$(printf %s "$told" | base64 -w 0 | tr -d =)
printf '{"apiVersion": "%s", "kind": "ExecCredential", "status": {"token": "%s"}}' "\${VERSION:-client.authentication.k8s.io/v1}" "$token"
`;

export async function twoClients(t: TestContext): Promise<TwoClients> {
  const folder = tempFolder(t);
  const certificates = certificatesIn(folder);
  const write = (name: string, content: string | object) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  writeFileSync(join(folder, 'plug'), PLUGIN, { mode: 0o755 });
  const whole = ({ kubeconfig, context, env = {}, cwd = '.' }: Given) => {
    return { kubeconfig, context, env: { PATH, HOME: folder, ...env }, cwd: join(folder, cwd) };
  };
  return {
    folder,
    at: await startRecorder(t, certificates),
    certificates,
    write,
    both: async (given) => ({ kubectl: await byKubectl(whole(given)), ours: await byUs(whole(given)) }),
    ours: (given) => byUs(whole(given)),
  };
}

type Whole = Required<Given>;

async function byKubectl({ kubeconfig, context, env, cwd }: Whole): Promise<Outcome> {
  const options = { kubeconfig, context };
  const args = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const { stdout } = await promisify(execFile)(String(program), args, { cwd, env });
  const { refused, failed, body, namespace } = JSON.parse(stdout);
  if (refused !== undefined) return { kind: 'refused', message: refused };
  return failed === undefined ? { kind: 'reached', namespace, received: body } : { kind: 'failed', message: failed };
}

/** In this process, which must do nothing else meanwhile: it changes its folder. */
async function byUs({ kubeconfig, context, env, cwd }: Whole): Promise<Outcome> {
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const found = await findCluster({ kubeconfig, context, env });
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

/** Both have sent the same, or neither has reached anything. */
export function assertSame({ kubectl, ours }: { kubectl: Outcome; ours: Outcome }, what: string): void {
  if (kubectl.kind !== 'reached' && ours.kind !== 'reached') return;
  assert.deepEqual(comparable(ours), comparable(kubectl), what);
}

function comparable(outcome: Outcome): unknown {
  if (outcome.kind !== 'reached') return outcome;
  const { authorization, ...received } = outcome.received;
  return { ...outcome, received: { ...received, authorization: told(authorization) } };
}

/** What the plugin above was told, whatever the order of its fields. */
function told(authorization: string): unknown {
  try {
    return JSON.parse(Buffer.from(authorization.replace('Bearer ', ''), 'base64').toString());
  } catch {
    return authorization; // No token of the plugin.
  }
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
