/** Who asks, by a kubeconfig's user: what its requests carry, in the order in which client-go looks for it. */
import type { Clock } from '../clock.ts';
import type { UserEntry } from './clientcmd.ts';
import { Unusable } from './cluster.ts';
import type { Plugin, PluginRequest } from './exec-plugin.ts';
import type { PluginCredentials } from './exec-run.ts';
import { dataOrFile, problemOfPair, type Read, reread } from './files.ts';
import { basicAuthorization } from './server-url.ts';

export interface Proof {
  headers: Record<string, string | string[]>;
  /** A client certificate. */
  pair?: { cert: string; key: string } | undefined;
  /** Where a plugin has said so. */
  plugin?: PluginCredentials;
}

/** Rejects with a sentence. `refused`: what a plugin had said, and the API server did not accept. */
export type Prove = (request: PluginRequest) => Promise<Proof>;

export interface ProofOptions {
  /** Of the user, for messages. */
  name: string;
  user: UserEntry;
  /** Without TLS kubectl sends no secrets: only whom it acts for. */
  secure: boolean;
  /** What takes more than the user's own fields. */
  plugin(): Plugin;
  oidc(): (clock: Clock) => Promise<string>;
}

/** Rejects with a sentence if a file of the user can't be read. */
export async function proofOf({ name, user, secure, ...helpers }: ProofOptions): Promise<Prove> {
  const headers = impersonation(user);
  if (!secure) return async () => ({ headers });
  const pairOf = certificateOf(user);
  const bearer = bearerOf(user);
  const basic = user.username === '' ? undefined : basicAuthorization(user.username, user.password);
  const plugin = user.exec && !bearer && basic === undefined && !pairOf ? helpers.plugin() : undefined;
  const oidc = user['auth-provider'] && !bearer && basic === undefined ? helpers.oidc() : undefined;
  await Promise.all([pairOf?.(), bearer?.()]);
  return async (request) => {
    const said = await plugin?.credentials(request);
    const token = (await bearer?.()) ?? (await oidc?.(request.clock)) ?? said?.token ?? '';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(token))
      throw new Unusable(`the token of user "${name}" contains a line break or another control character: write it on one line`);
    const authorization = token === '' ? basic : `Bearer ${token}`;
    return {
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
      pair: said?.pair ?? (await pairOf?.()),
      ...(said && { plugin: said }),
    };
  };
}

/** What the file said last counts before the token beside it. */
function bearerOf({ token, tokenFile }: UserEntry): Read | undefined {
  if (tokenFile === '') return token === '' ? undefined : async () => token;
  const read = reread(tokenFile, 'token file');
  let last = token;
  return async () => {
    const inFile = await read().catch((error) => {
      if (last === '') throw error;
      return '';
    });
    last = inFile.trim() || last;
    if (last === '') throw new Unusable(`the token file ${tokenFile} is empty`);
    return last;
  };
}

function certificateOf(user: UserEntry): (() => Promise<{ cert: string; key: string }>) | undefined {
  const readCertificate = dataOrFile(user['client-certificate-data'], user['client-certificate'], 'client-certificate');
  const readKey = dataOrFile(user['client-key-data'], user['client-key'], 'client-key');
  if (!readCertificate || !readKey) return undefined;
  let good: { cert: string; key: string } | undefined;
  return async () => {
    const [cert, key] = [await readCertificate(), await readKey()];
    if (good?.cert === cert && good.key === key) return good;
    const problem = problemOfPair(cert, key);
    // While both are replaced, one after the other, they do not belong together.
    if (problem === undefined) good = { cert, key };
    else if (!good) throw new Unusable(`${problem} (client-certificate and client-key)`);
    return good;
  };
}

function impersonation(user: UserEntry): Record<string, string | string[]> {
  if (user.as === '') return {};
  const extra = [...user['as-user-extra']].filter(([, values]) => values.length > 0);
  return {
    'Impersonate-User': user.as,
    ...(user['as-uid'] !== '' && { 'Impersonate-Uid': user['as-uid'] }),
    ...(user['as-groups'].length > 0 && { 'Impersonate-Group': user['as-groups'] }),
    ...Object.fromEntries(extra.map(([key, values]) => [`Impersonate-Extra-${escaped(key)}`, values])),
  };
}

/** What may not stand in the name of a header, as the API server reads it. */
const escaped = (key: string): string =>
  [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[\w!#$&'*+.^`|~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
