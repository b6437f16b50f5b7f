/** Files that may be replaced while this runs: tokens, certificates, keys. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { Unusable } from './cluster.ts';

/** By way of callbacks: fs/promises are 13 more modules of Node's, which each start would load. */
export const readFile = promisify(fs.readFile);
export const stat = promisify(fs.stat);
export const readdir = promisify(fs.readdir);
export const readlink = promisify(fs.readlink);

/** Rejects with a sentence. */
export type Read = () => Promise<string>;

/** Reads the file each time; while it can't be read (it is being replaced, the disk is slow to answer) what it last said is used. */
export function reread(path: string, what: string): Read {
  let last: string | undefined;
  return async () => {
    try {
      last = await readFile(path, 'utf8');
    } catch (error) {
      if (last === undefined) throw unreadable(path, what, error as NodeJS.ErrnoException);
    }
    return last;
  };
}

const LASTING = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'];

function unreadable(path: string, what: string, { code = '' }: NodeJS.ErrnoException): Error {
  const message = `can't read the ${what} ${path} (${code})`;
  return LASTING.includes(code) ? new Unusable(message) : new Error(message);
}

/** From the data itself, else from the file, else undefined. */
export function dataOrFile(data: string, path: string, what: string): Read | undefined {
  if (data !== '') return async () => data;
  return path === '' ? undefined : reread(path, what);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

let trusted: string | undefined;

/** Why these are no certificates to trust, or undefined. One that can be read is enough, as for kubectl. Asked for each request, and they seldom change. */
export function problemOfAuthority(pem: string): string | undefined {
  if (pem === trusted) return undefined;
  const blocks = pem.match(new RegExp(CERTIFICATE, 'g')) ?? [];
  if (blocks.some((block) => attempt(() => new X509Certificate(block)) !== undefined)) {
    trusted = pem;
    return undefined;
  }
  return 'contains no certificate: it must be in PEM form, from "-----BEGIN CERTIFICATE-----" on';
}

/** Why a client can't identify itself by these, or undefined. */
export function problemOfPair(certificate: string, key: string): string | undefined {
  const read = attempt(() => new X509Certificate(certificate.match(CERTIFICATE)?.[0] ?? ''));
  if (!read) return 'the client certificate is not a certificate in PEM form';
  const privateKey = attempt(() => createPrivateKey(key));
  if (!privateKey)
    return 'the client key is not a private key in PEM form, or is encrypted: kubectl and this program need it as it is';
  return read.checkPrivateKey(privateKey) ? undefined : 'the client key does not belong to the client certificate';
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined; // Told by who asks.
  }
}
