/**
 * The certificate authorities that the system trusts, for servers of which nothing else is said. On Linux and the BSDs they are where Go, and so
 * kubectl, looks for them, SSL_CERT_FILE and SSL_CERT_DIR included; elsewhere Node asks the system.
 */
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { readdir, readFile, readlink } from './files.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The first that can be read counts: Debian, Fedora, openSUSE, OpenELEC, RHEL, Alpine. */
const FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
/** All of them count. */
const FOLDERS = ['/etc/ssl/certs', '/etc/pki/tls/certs'];

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const known = new Map<string, Promise<string>>();

/** In PEM form. Read once in a process. Where there are none (an image without them) those that came with Node. */
export function systemAuthorities({ SSL_CERT_FILE = '', SSL_CERT_DIR = '' }: Env): Promise<string> {
  const key = JSON.stringify([SSL_CERT_FILE, SSL_CERT_DIR]);
  const reading = known.get(key) ?? readAll(SSL_CERT_FILE, SSL_CERT_DIR);
  known.set(key, reading);
  return reading;
}

async function readAll(file: string, folders: string): Promise<string> {
  if (process.platform === 'darwin' || process.platform === 'win32') return getCACertificates('system').join('\n');
  const found = new Set<string>();
  const take = async (path: string): Promise<boolean> => {
    const text = await readFile(path, 'latin1').catch(() => undefined);
    for (const [certificate] of text?.matchAll(CERTIFICATES) ?? []) found.add(certificate);
    return text !== undefined;
  };
  for (const path of file === '' ? FILES : [file]) if (await take(path)) break;
  for (const folder of folders === '' ? FOLDERS : folders.split(':')) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) if (!(await isLinkWithin(join(folder, name)))) await take(join(folder, name));
  }
  return (found.size > 0 ? [...found] : getCACertificates('bundled')).join('\n');
}

/** A second name for what is there already. */
async function isLinkWithin(path: string): Promise<boolean> {
  const target = await readlink(path).catch(() => undefined);
  return target !== undefined && !target.includes('/');
}
