/**
 * Kubeconfigs as kubectl's library (clientcmd) reads them: the fields and types of its API, several files of which the first that has a name wins,
 * paths relative to the file in which they stand. What one context says in the end; whether that makes sense is for kubeconfig-problems.ts. No
 * message quotes a value: it may be a secret. client-node's KubeConfig is not used, since hardly a field would have remained to it: it drops tokenFile,
 * as-uid, as-groups and as-user-extra, tells plugins nothing (KUBERNETES_EXEC_INFO) and hides their words, cannot refresh OIDC tokens where a refresh
 * token is good once, refuses empty files, sends credentials without TLS, and reads another YAML than go-yaml.
 */
import { dirname, isAbsolute, resolve } from 'node:path';
import { readFile } from './files.ts';
import { readYaml } from './go-yaml.ts';

/** What one context says. Text that it does not say is empty. */
export interface Selected {
  context: string;
  namespace: string;
  clusterName: string;
  cluster: ClusterEntry;
  userName: string;
  user: UserEntry;
  /** The file in which the user stands; undefined: it was given as text. */
  userFile: string | undefined;
}

/** The text of one, or the paths of several. `missing`: what becomes of paths that do not exist. */
export type Source = { text: string } | { paths: readonly string[]; missing: 'refused' | 'ignored' };

/** `nothing`: no cluster is named, with the reason; kubectl then looks for a Pod. Rejects with a sentence. */
export async function readKubeconfig(source: Source, context: string | undefined): Promise<Selected | { nothing: string }> {
  const files = 'text' in source ? [fileOf(Buffer.from(source.text), undefined)] : await readFiles(source);
  const name = context || files.find((file) => file.current !== '')?.current || '';
  const contexts = merged(files.map((file) => file.contexts));
  const known = [...contexts.keys()].join(', ') || 'none';
  if (name !== '' && !contexts.has(name)) throw new Error(`it has no context "${name}" (it has: ${known})`);
  // Where none is chosen, what has no name is meant.
  const { cluster: clusterName, user: userName, namespace } = contexts.get(name) ?? CONTEXT({}, '');
  const cluster = merged(files.map((file) => file.clusters)).get(clusterName);
  if (!cluster && name === '' && clusterName === '') return { nothing: whyNothing(files, known) };
  if (!cluster) throw new Error(missingEntry({ context: name, kind: 'cluster', name: clusterName }));
  const user = merged(files.map((file) => file.users)).get(userName);
  // kubectl would go on without credentials, or ask for a password.
  if (!user && userName !== '') throw new Error(missingEntry({ context: name, kind: 'user', name: userName }));
  const { file: userFile, ...entry } = user ?? { ...USER({}, ''), file: undefined };
  return { context: name, namespace, clusterName, cluster, userName, user: entry, userFile };
}

function whyNothing(files: readonly unknown[], known: string): string {
  if (files.length === 0) return 'no such file';
  if (known === 'none') return 'it has no contexts';
  return `no current context is set: set one with "kubectl config use-context", or name a context (it has: ${known})`;
}

function missingEntry({ context, kind, name }: { context: string; kind: string; name: string }): string {
  if (name === '') return `the context "${context}" names no ${kind}`;
  return `the context "${context}" names the ${kind} "${name}", which it does not have: add it under ${kind}s, or correct the name`;
}

/** The first that has a name wins, with all that it says. */
const merged = <T>(maps: Map<string, T>[]): Map<string, T> => new Map(maps.toReversed().flatMap((map) => [...map]));

type File = ReturnType<typeof fileOf>;

async function readFiles({ paths, missing }: Exclude<Source, { text: string }>): Promise<File[]> {
  const files: File[] = [];
  for (const path of new Set(paths)) {
    try {
      files.push(fileOf(await readFile(path), path));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && missing === 'ignored') continue;
      const why = code === undefined ? message : code === 'ENOENT' ? 'no such file' : `it cannot be read (${code})`;
      throw new Error(paths.length > 1 ? `${path}: ${why}` : why);
    }
  }
  return files;
}

function fileOf(bytes: Buffer, path: string | undefined) {
  const { apiVersion, kind, ...file } = FILE(readYaml(bytes), '');
  if (!['', 'v1'].includes(apiVersion) || !['', 'Config'].includes(kind))
    throw new Error('it is not a kubeconfig: its apiVersion must be v1, and its kind Config');
  const at = (name: string) => (name === '' || isAbsolute(name) || path === undefined ? name : resolve(dirname(path), name));
  for (const cluster of file.clusters.values()) cluster['certificate-authority'] = at(cluster['certificate-authority']);
  const users = new Map([...file.users].map(([name, user]) => [name, { ...user, file: path }]));
  for (const user of users.values()) {
    for (const field of ['client-certificate', 'client-key', 'tokenFile'] as const) user[field] = at(user[field]);
    // Without a slash it is looked for in PATH.
    if (user.exec?.command.includes('/')) user.exec.command = at(user.exec.command);
  }
  return { ...file, current: file['current-context'], users };
}

/** A value of the file as what it has to be; null is as if it were not there. Throws a sentence that names the place. */
type Decode<T> = (value: unknown, at: string) => T;

function wrong(value: unknown, at: string, expected: string): never {
  const kinds = { string: 'text', number: 'a number', boolean: 'true or false', object: 'a mapping' } as Record<string, string>;
  const kind = Array.isArray(value) ? 'a list' : kinds[typeof value];
  const quotes = expected === 'text' && typeof value !== 'object' ? ': put it in quotes' : '';
  const fix = at === '' && kind === 'text' ? ': if it is base64, decode it' : quotes;
  throw new Error(`${at || 'it is not a kubeconfig: it'} must be ${expected}, but is ${kind}${fix}`);
}

const text: Decode<string> = (value, at) =>
  value === null || value === undefined ? '' : typeof value === 'string' ? value : wrong(value, at, 'text');

const flag: Decode<boolean> = (value, at) =>
  value === null || value === undefined ? false : typeof value === 'boolean' ? value : wrong(value, at, 'true or false');

/** As Go decodes it: line breaks are ignored, everything else counts. */
const base64: Decode<string> = (value, at) => {
  const encoded = text(value, at).replace(/[\r\n]/g, '');
  if (!/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(encoded))
    throw new Error(`${at} is not valid base64`);
  return Buffer.from(encoded, 'base64').toString();
};

const list =
  <T>(each: Decode<T>): Decode<T[]> =>
  (value, at) => {
    if (value === null || value === undefined) return [];
    return Array.isArray(value) ? value.map((item, i) => each(item, `${at}[${i}]`)) : wrong(value, at, 'a list');
  };

const mapping =
  <T>(each: Decode<T>): Decode<Map<string, T>> =>
  (value, at) => {
    if (value === null || value === undefined) return new Map();
    if (typeof value !== 'object' || Array.isArray(value)) return wrong(value, at, 'a mapping');
    return new Map(Object.entries(value).map(([key, item]) => [key, each(item, at === '' ? key : `${at}.${key}`)]));
  };

const anything: Decode<unknown> = (value) => value;

/** What else a mapping has is ignored, as by kubectl. */
const fields =
  <T>(shape: { [Name in keyof T]: Decode<T[Name]> }): Decode<T> =>
  (value, at) => {
    const given = mapping(anything)(value, at);
    const names = Object.keys(shape) as (keyof T & string)[];
    return Object.fromEntries(names.map((name) => [name, shape[name](given.get(name), at === '' ? name : `${at}.${name}`)])) as T;
  };

const optional =
  <T>(decode: Decode<T>): Decode<T | undefined> =>
  (value, at) =>
    value === null || value === undefined ? undefined : decode(value, at);

/** A list whose items have a name, and under a key what it stands for. */
const named =
  <T>(key: string, decode: Decode<T>): Decode<Map<string, T>> =>
  (value, at) => {
    const items = list(mapping(anything))(value, at).map((item, i): [string, T] => [
      text(item.get('name'), `${at}[${i}].name`),
      decode(item.get(key), `${at}[${i}].${key}`),
    ]);
    const twice = items.find(([name], i) => items.findIndex((other) => other[0] === name) < i);
    if (twice) throw new Error(`${at} contains the name "${twice[0]}" twice`);
    return new Map(items);
  };

const CLUSTER = fields({
  server: text,
  'tls-server-name': text,
  'insecure-skip-tls-verify': flag,
  'certificate-authority': text,
  'certificate-authority-data': base64,
  'proxy-url': text,
  'disable-compression': flag,
  extensions: named('extension', anything),
});

const EXEC = fields({
  command: text,
  args: list(text),
  env: list(fields({ name: text, value: text })),
  apiVersion: text,
  installHint: text,
  provideClusterInfo: flag,
  interactiveMode: text,
});

const USER = fields({
  'client-certificate': text,
  'client-certificate-data': base64,
  'client-key': text,
  'client-key-data': base64,
  token: text,
  tokenFile: text,
  as: text,
  'as-uid': text,
  'as-groups': list(text),
  'as-user-extra': mapping(list(text)),
  username: text,
  password: text,
  'auth-provider': optional(fields({ name: text, config: mapping(text) })),
  exec: optional(EXEC),
  extensions: named('extension', anything),
});

const CONTEXT = fields({ cluster: text, user: text, namespace: text, extensions: named('extension', anything) });

const FILE = fields({
  apiVersion: text,
  kind: text,
  preferences: fields({ colors: flag, extensions: named('extension', anything) }),
  'current-context': text,
  clusters: named('cluster', CLUSTER),
  users: named('user', USER),
  contexts: named('context', CONTEXT),
  extensions: named('extension', anything),
});

export type ClusterEntry = ReturnType<typeof CLUSTER>;
export type UserEntry = ReturnType<typeof USER>;
export type ExecEntry = ReturnType<typeof EXEC>;
