/**
 * One run of a credential plugin, as client-go runs it: told by KUBERNETES_EXEC_INFO what is wanted, answering with an ExecCredential. What it says on
 * stderr is passed on as it comes. It is ended with all that it has started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { documentAt } from '../documents.ts';
import type { ExecEntry } from './clientcmd.ts';
import { type ClusterOptions, Unusable } from './cluster.ts';
import { problemOfPair } from './files.ts';
import { readYaml } from './go-yaml.ts';

export interface PluginCredentials {
  /** Empty: none. */
  token: string;
  pair: { cert: string; key: string } | undefined;
  /** By the calendar, in milliseconds since 1970; undefined: never. */
  expiresAt: number | undefined;
}

export interface PluginOptions extends Pick<ClusterOptions, 'env' | 'tell' | 'terminal'> {
  entry: ExecEntry;
  /** What a plugin that asks for it is told of the cluster. */
  clusterInfo(): Promise<object>;
}

interface RunOptions {
  /** It gets standard input and standard error of this process. */
  interactive: boolean;
  /** Ends it. */
  signal: AbortSignal;
}

/** Rejects with a sentence, Unusable: kubectl does not try again either. */
export async function runPlugin(options: PluginOptions, { interactive, signal }: RunOptions): Promise<PluginCredentials> {
  const { entry, env } = options;
  const name = nameOf(entry);
  const fail = (problem: string): Unusable => new Unusable(`${name} ${problem}`);
  if (entry.interactiveMode === 'Always' && !interactive)
    throw fail('needs a terminal (interactiveMode: Always), which it may not use here: log in first, or use another plugin');
  const file = lookUp(entry.command, env.PATH ?? '');
  if (file === undefined) throw fail(`was not found: install it, or correct exec.command. ${entry.installHint}`.trim());
  const info = {
    kind: 'ExecCredential',
    apiVersion: entry.apiVersion,
    spec: { ...(entry.provideClusterInfo && { cluster: await options.clusterInfo() }), interactive },
  };
  const own = Object.fromEntries(entry.env.map(({ name: variable, value }) => [variable, value]));
  const child = spawn(file, entry.args, {
    env: { ...env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    stdio: [interactive ? 'inherit' : 'ignore', 'pipe', interactive ? 'inherit' : 'pipe'],
    // A group of its own, so that all of it can be ended; but a terminal reads for the group in the foreground alone.
    detached: !interactive,
    windowsHide: true,
  });
  const { end, output, lastWords } = await outcomeOf(child, {
    signal,
    group: !interactive,
    tell: (line) => options.tell?.(`${name}: ${line}`),
  });
  if (signal.aborted) throw signal.reason;
  if (end !== 'exit code 0') throw fail(`failed (${end})${lastWords && `: ${lastWords}`} (${documentAt('clusters.md#plugins')})`);
  const read = credentialsIn(output, entry.apiVersion);
  if (typeof read === 'string') throw fail(read);
  return read;
}

/** For messages. */
export const nameOf = ({ command }: ExecEntry): string => `credential plugin "${basename(command)}"`;

/** Where Go finds it: by this process's PATH, and never in the current folder. */
function lookUp(command: string, path: string): string | undefined {
  if (process.platform === 'win32') return command;
  const candidates = command.includes('/')
    ? [command]
    : path
        .split(delimiter)
        .filter((folder) => isAbsolute(folder))
        .map((folder) => join(folder, command));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false; // Not there, or not for this user.
    }
  });
}

interface Outcome {
  /** `exit code 1`, `SIGKILL`, or why it was not started. */
  end: string;
  output: string;
  /** The last line of stderr that is not empty. */
  lastWords: string;
}

const OUTPUT_LIMIT = 4 * 1024 * 1024;

interface Watching {
  signal: AbortSignal;
  group: boolean;
  tell(line: string): void;
}

function outcomeOf(child: ChildProcess, { signal, group, tell }: Watching): Promise<Outcome> {
  const kill = () => endAll(child, group);
  // However this process ends, short of SIGKILL.
  process.once('exit', kill);
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  let output = '';
  let lastWords = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.length > OUTPUT_LIMIT) kill();
  });
  let rest = '';
  const say = (lines: string[]) => {
    for (const line of lines.filter((each) => each.trim() !== '')) {
      lastWords = line.trim();
      tell(line.trimEnd());
    }
  };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    say(lines);
  });
  return new Promise((resolve) => {
    const done = (end: string) => {
      process.off('exit', kill);
      signal.removeEventListener('abort', kill);
      say([rest]);
      resolve({ end, output, lastWords });
    };
    child.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    child.on('close', (code, by) => done(by ?? `exit code ${code}`));
  });
}

function endAll(child: ChildProcess, group: boolean): void {
  try {
    if (child.pid !== undefined) process.kill(group && process.platform !== 'win32' ? -child.pid : child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** A sentence says what is wrong with it. */
function credentialsIn(output: string, apiVersion: string): PluginCredentials | string {
  const printed = 'printed no ExecCredential that can be used';
  let read: unknown;
  try {
    read = readYaml(Buffer.from(output));
  } catch (error) {
    return `${printed}: ${(error as Error).message}`;
  }
  const { kind, apiVersion: version, status } = mappingOf(read);
  if (kind !== 'ExecCredential') return `${printed}: its kind must be ExecCredential`;
  if (version !== apiVersion)
    return `printed an ExecCredential of version ${version}, but the kubeconfig has ${apiVersion}: make them the same`;
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = mappingOf(status);
  if ([token, cert, key].some((value) => !['string', 'undefined'].includes(typeof (value ?? undefined))))
    return `${printed}: token, clientCertificateData and clientKeyData must be text`;
  if (!token && !cert && !key) return `${printed}: its status has neither a token nor a certificate`;
  if (Boolean(cert) !== Boolean(key)) return `${printed}: a certificate and its key need each other`;
  const problem = cert ? problemOfPair(String(cert), String(key)) : undefined;
  if (problem !== undefined) return `${printed}: ${problem}`;
  const expiresAt = timeOf(expirationTimestamp);
  if (Number.isNaN(expiresAt)) return `${printed}: its expirationTimestamp must be a time such as 2030-01-31T12:00:00Z`;
  return { token: String(token ?? ''), pair: cert ? { cert: String(cert), key: String(key) } : undefined, expiresAt };
}

function mappingOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** NaN: no time. */
function timeOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(String(value)) ? Date.parse(String(value)) : Number.NaN;
}
