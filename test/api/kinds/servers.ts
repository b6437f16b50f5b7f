/** How the server can be named, and its certificate authority. */
import { base64, type TwoClients } from '../../harness/two-clients.ts';
import { config, exec, type Kind, type Kinds, kinds } from './kind.ts';

export function servers({ at, certificates: { authority } }: TwoClients): Kinds {
  const ca = { 'certificate-authority-data': base64(authority.certificate) };
  const { http, https, httpV6, httpsV6, expired, elsewhere, below } = at.urls;
  return kinds({
    'a server over TLS': config({ server: https, ...ca }),
    'a server over HTTP gets no token': config({ server: http }),
    'a server over HTTP gets no certificate, and no password': config({ server: http }, { username: 'a', password: 'b' }),
    'a server over HTTP is told for whom': config({ server: http }, { token: 't', as: 'alice' }),
    'a server without a scheme': config({ server: http.replace('http://', '') }),
    'a server without a scheme, with a path': config({ server: `${http.replace('http://', '')}/a` }),
    IPv6: config({ server: httpV6 }),
    'IPv6 over TLS': config({ server: httpsV6, ...ca }),
    'IPv6 without a scheme': config({ server: httpV6.replace('http://', '') }),
    'a slash at the end': config({ server: `${https}/`, ...ca }),
    'a path': config({ server: `${https}/k8s/clusters/c-1`, ...ca }),
    'a path with a slash, a query and a fragment': config({ server: `${https}/a/b/?x=1#y`, ...ca }),
    'a name and a password in the URL': config({ server: https.replace('//', '//me:p%40w@'), ...ca }),
    'a name in the URL': config({ server: https.replace('//', '//me@'), ...ca }, exec()),
    'an upper-case scheme': config({ server: https.replace('https', 'HTTPS'), ...ca }),
    'one slash after the scheme': config({ server: https.replace('//', '/'), ...ca }),
    'three slashes after the scheme': config({ server: https.replace('//', '///'), ...ca }),
    'another scheme': config({ server: https.replace('https', 'ftp') }),
    'a space before it': config({ server: ` ${https}`, ...ca }),
    'no server': config({ ...ca }),
    'an expired certificate': config({ server: expired, ...ca }),
    'a certificate for another name': config({ server: elsewhere, ...ca }),
    'that other name as tls-server-name': config({ server: elsewhere, 'tls-server-name': 'elsewhere.test', ...ca }),
    'HTTP to a TLS port': config({ server: https.replace('https', 'http') }),
    'TLS to an HTTP port': config({ server: http.replace('http', 'https') }),
    'an authority below another': config({ server: below, 'certificate-authority': 'intermediate.crt' }),
    'the certificate itself as authority': config({ server: https, 'certificate-authority': 'server.crt' }),
  });
}

export function authorities({ at, certificates: { authority, stranger } }: TwoClients): Kinds {
  const { https: server, http } = at.urls;
  const data = (text: string) => ({ 'certificate-authority-data': text });
  return kinds({
    'an authority in a file': config({ server, 'certificate-authority': 'authority.crt' }),
    'an authority in lines of base64': config({ server, ...data(base64(authority.certificate).replace(/(.{76})/g, '$1\n')) }),
    'an authority among text and others': config({
      server,
      ...data(base64(`# both\n${stranger.certificate}\n${authority.certificate}`)),
    }),
    'an authority whose file is missing': config({ server, 'certificate-authority': 'missing.crt' }),
    'an authority whose file is missing, for HTTP': config({ server: http, 'certificate-authority': 'missing.crt' }),
    'an authority that is a folder': config({ server, 'certificate-authority': '.' }),
    'an authority twice': config({ server, 'certificate-authority': 'authority.crt', ...data(base64(authority.certificate)) }),
    'an authority and no verification': config({
      server,
      'insecure-skip-tls-verify': true,
      ...data(base64(authority.certificate)),
    }),
    'the same for HTTP': config({ server: http, 'insecure-skip-tls-verify': true, ...data(base64(authority.certificate)) }),
    'another authority': config({ server, 'certificate-authority': 'stranger.crt' }),
    'an authority that is no certificate': config({ server, ...data(base64('hello')) }),
    'an authority in base64 of base64': config({ server, ...data(base64(base64(authority.certificate))) }),
    'an authority that is no base64': config({ server, ...data(authority.certificate) }),
    'an authority that is empty': config({ server, ...data('') }),
    'no verification': config({ server, 'insecure-skip-tls-verify': true }),
    'another name for TLS': config({ server, 'tls-server-name': 'api.lock.test', ...data(base64(authority.certificate)) }),
    'a wrong name for TLS': config({ server, 'tls-server-name': 'other', ...data(base64(authority.certificate)) }),
    'a wrong name, not verified': config({ server, 'tls-server-name': 'other', 'insecure-skip-tls-verify': true }),
  });
}

/** Where the kubeconfig names none. */
export function systemAuthorities({ at, folder, write, certificates: { authority, stranger } }: TwoClients): Kinds {
  write('authorities/one', authority.certificate);
  write('strangers/one', stranger.certificate);
  const { https: server } = at.urls;
  const by = (env: Record<string, string>): Kind => ({ content: config({ server }), given: { env } });
  return {
    'one that the system does not know': by({}),
    'one in the file that SSL_CERT_FILE names': by({ SSL_CERT_FILE: `${folder}/authority.crt` }),
    'others in the file that SSL_CERT_FILE names': by({ SSL_CERT_FILE: `${folder}/stranger.crt` }),
    'one in a folder that SSL_CERT_DIR names': by({ SSL_CERT_DIR: `${folder}/strangers:${folder}/authorities` }),
    'others in the folder that SSL_CERT_DIR names': by({ SSL_CERT_DIR: `${folder}/strangers` }),
    'a file that is missing': by({ SSL_CERT_FILE: `${folder}/missing` }),
    'another that the kubeconfig names': {
      content: config({ server, 'certificate-authority': 'stranger.crt' }),
      given: { env: { SSL_CERT_FILE: `${folder}/authority.crt` } },
    },
    'none that is needed': {
      content: config({ server, 'insecure-skip-tls-verify': true }),
      given: { env: { SSL_CERT_FILE: '/dev/null' } },
    },
  };
}
