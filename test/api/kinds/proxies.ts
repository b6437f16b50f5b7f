/** The ways to a server. */
import { base64, type TwoClients } from '../../harness/two-clients.ts';
import { config, type Kind, type Kinds, kinds } from './kind.ts';

export function proxies({ at, certificates: { authority } }: TwoClients): Kinds {
  const { http, https, httpsV6 } = at.urls;
  const named = https.replace('127.0.0.1', 'api.lock.test');
  const cluster = { server: https, 'certificate-authority-data': base64(authority.certificate) };
  const through = (proxy: string, server = https) => config({ ...cluster, server, 'proxy-url': proxy });
  const login = (proxy: string) => proxy.replace('//', '//us%20er:p%3Aw@');
  const byEnv = (env: Record<string, string>, server = named): Kind => ({
    content: config({ ...cluster, server }),
    given: { env },
  });
  const { http: web, https: secure, socks } = at.proxies;
  return {
    ...kinds({
      'an HTTP proxy': through(web),
      'an HTTP proxy with a login': through(login(web)),
      'an HTTP proxy for HTTP': through(web, http),
      'an HTTP proxy with a login for HTTP': through(login(web), http),
      'an HTTP proxy for a path': through(web, `${https}/a`),
      'an HTTP proxy for HTTP and a path': through(web, `${http}/a`),
      'an HTTP proxy for IPv6': through(web, httpsV6),
      'an HTTP proxy for a name that it alone knows': through(web, named),
      'an HTTPS proxy': through(secure),
      'an HTTPS proxy for HTTP': through(secure, http),
      'a SOCKS proxy': through(socks),
      'a SOCKS proxy with a login': through(login(socks)),
      'a SOCKS proxy for a name that it alone knows': through(socks, named),
      'a SOCKS proxy for IPv6': through(socks, httpsV6),
      'a SOCKS proxy for HTTP': through(socks, http),
      'socks5h, which proxy-url does not know': through(socks.replace('socks5', 'socks5h')),
      'a proxy without a scheme': through(web.replace('http://', '')),
      'a proxy where nothing listens': through('http://127.0.0.1:1'),
    }),
    HTTPS_PROXY: byEnv({ HTTPS_PROXY: web }),
    https_proxy: byEnv({ https_proxy: login(web) }),
    'HTTPS_PROXY with socks5h': byEnv({ HTTPS_PROXY: socks.replace('socks5', 'socks5h') }),
    'HTTPS_PROXY for loopback': byEnv({ HTTPS_PROXY: web }, https),
    NO_PROXY: byEnv({ HTTPS_PROXY: web, NO_PROXY: '.lock.test' }),
    ALL_PROXY: byEnv({ ALL_PROXY: web }, https),
    'proxy-url before HTTPS_PROXY and NO_PROXY': {
      content: through(web, named),
      given: { env: { HTTPS_PROXY: socks, NO_PROXY: '*' } },
    },
  };
}
