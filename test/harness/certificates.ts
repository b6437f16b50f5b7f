/**
 * Certificates for servers and clients of the tests: an authority, one below it, one that nobody knows, and what they have signed. Made once for
 * each folder by openssl.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  certificate: string;
  key: string;
  certificateFile: string;
  keyFile: string;
}

export interface Certificates {
  authority: Pair;
  /** Signed by `authority`. */
  intermediate: Pair;
  /** Has signed nothing here but itself. */
  stranger: Pair;
  /** For localhost, 127.0.0.1, ::1 and *.lock.test, by `authority`. */
  server: Pair;
  /** The same by `intermediate`, with that certificate behind it. */
  serverBelow: Pair;
  expired: Pair;
  elsewhere: Pair;
  alice: Pair;
  bob: Pair;
}

const NAMES = 'DNS:localhost,DNS:*.lock.test,IP:127.0.0.1,IP:::1';
const AUTHORITY = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,digitalSignature'];

export function certificatesIn(folder: string): Certificates {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const pair = (name: string): Pair => {
    const [certificateFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    return { certificateFile, keyFile, certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const add = (extensions: string[]) => extensions.flatMap((extension) => ['-addext', extension]);
  const selfSigned = (name: string, extensions: string[]): Pair => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`];
    openssl('req', '-x509', ...newKey, ...files, '-subj', `/CN=${name}`, '-days', '2', ...add(extensions));
    return pair(name);
  };
  const signed = (name: string, by: string, extensions: string[], span = ['-days', '2']): Pair => {
    openssl('req', '-new', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/O=lock/CN=${name}`);
    writeFileSync(join(folder, `${name}.ext`), extensions.join('\n'));
    const issuer = ['-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...issuer, ...span, '-extfile', `${name}.ext`);
    return pair(name);
  };
  const authority = selfSigned('authority', AUTHORITY);
  const intermediate = signed('intermediate', 'authority', AUTHORITY);
  const below = signed('below', 'intermediate', [`subjectAltName=${NAMES}`]);
  return {
    authority,
    intermediate,
    stranger: selfSigned('stranger', AUTHORITY),
    server: signed('server', 'authority', [`subjectAltName=${NAMES}`]),
    serverBelow: { ...below, certificate: below.certificate + intermediate.certificate },
    expired: expiredServer(folder, openssl, pair),
    elsewhere: signed('elsewhere', 'authority', ['subjectAltName=DNS:elsewhere.test']),
    alice: signed('alice', 'authority', ['extendedKeyUsage=clientAuth']),
    bob: signed('bob', 'authority', ['extendedKeyUsage=clientAuth']),
  };
}

/** Only `openssl ca` lets a certificate end in the past. */
function expiredServer(folder: string, openssl: (...args: string[]) => unknown, pair: (name: string) => Pair): Pair {
  const config = `[ca]
default_ca = own
[own]
database = ${folder}/index
serial = ${folder}/ca.serial
new_certs_dir = ${folder}
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = ${NAMES}
`;
  for (const [name, text] of Object.entries({ index: '', 'ca.serial': '4711\n', 'ca.cnf': config }))
    writeFileSync(join(folder, name), text);
  const files = ['-keyout', 'expired.key', '-out', 'expired.csr', '-subj', '/CN=expired'];
  openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...files);
  const span = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'];
  const authority = ['-cert', 'authority.crt', '-keyfile', 'authority.key'];
  openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', ...authority, ...span, '-in', 'expired.csr', '-out', 'expired.crt');
  return pair('expired');
}
