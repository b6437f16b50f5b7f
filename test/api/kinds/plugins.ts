/** Credential plugins: how they are called, and what they answer. */
import { base64, type TwoClients } from '../../harness/two-clients.ts';
import { config, exec, type Kinds, kinds, V1, V1BETA1 } from './kind.ts';

export function plugins({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const by = (more: object) => config(cluster, exec(more));
  const env = [
    { name: 'ONE', value: 'one "quoted"' },
    { name: 'TWO', value: '' },
  ];
  const told = {
    ...cluster,
    'tls-server-name': 'localhost',
    'proxy-url': at.proxies.http,
    'disable-compression': true,
    extensions: [
      { name: 'other', extension: 1 },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: ['a', null] } },
    ],
  };
  return kinds({
    'a plugin beside the file': by({}),
    'a plugin in PATH': by({ command: 'plug-in-path' }),
    'a plugin with arguments and variables': by({ args: ['eks', 'get token'], env }),
    'a plugin that is told of the cluster': config(told, exec({ provideClusterInfo: true })),
    'the same, not verified': config(
      { server: `${at.urls.https}/a/`, 'insecure-skip-tls-verify': true },
      exec({ provideClusterInfo: true }),
    ),
    'the same, with the authority in a file': config(
      { server: at.urls.https, 'certificate-authority': 'authority.crt' },
      exec({ provideClusterInfo: true }),
    ),
    'a plugin of v1beta1': by({ apiVersion: V1BETA1, env: [{ name: 'VERSION', value: V1BETA1 }], interactiveMode: null }),
    'a plugin of v1alpha1': by({ apiVersion: 'client.authentication.k8s.io/v1alpha1' }),
    'a plugin of another version than it says': by({ env: [{ name: 'VERSION', value: V1BETA1 }] }),
    'a plugin without a version': by({ apiVersion: '' }),
    'a plugin without a command': by({ command: '' }),
    'a plugin without a mode': by({ interactiveMode: '' }),
    'a plugin with another mode': by({ interactiveMode: 'Sometimes' }),
    'a plugin that may use a terminal': by({ interactiveMode: 'IfAvailable' }),
    'a plugin that must have a terminal': by({ interactiveMode: 'Always' }),
    'a plugin with a variable without a name': by({ env: [{ value: '1' }] }),
    'a plugin that is missing': by({ command: 'missing', installHint: 'install it' }),
    'a plugin that is no program': by({ command: './token' }),
    'a plugin and a token': config(cluster, { ...exec(), token: 't' }),
    'a plugin and a token file': config(cluster, { ...exec(), tokenFile: 'token' }),
    'a plugin and a password': config(cluster, { ...exec(), username: 'alice', password: 'p' }),
    'a plugin and an auth-provider': config(cluster, { ...exec(), 'auth-provider': { name: 'oidc', config: {} } }),
    'a plugin over HTTP is not started': config({ server: at.urls.http }, exec({ command: 'missing' })),
    'a plugin of a wrong mode over HTTP': config({ server: at.urls.http }, exec({ interactiveMode: 'Sometimes' })),
  });
}

export function answersOfPlugins({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const by = (more: object) => config(cluster, exec(more));
  return kinds({
    'a plugin that fails': by({ command: 'false' }),
    'a plugin that prints nothing': by({ command: 'true' }),
    'a plugin that prints {}': by({ command: 'echo', args: ['{}'] }),
    'a plugin that prints YAML': by({
      command: 'printf',
      args: [`apiVersion: ${V1}\nkind: ExecCredential\nstatus: {token: abc}\n`],
    }),
    'a plugin that prints a token that is a number': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": 1}}`],
    }),
    'a plugin that prints a certificate without a key': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "clientCertificateData": "x"}}`],
    }),
    'a plugin that prints a certificate': by({ command: 'cat', args: ['certified'] }),
    'a plugin whose credentials have ended': by({
      command: 'echo',
      args: [
        `{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "expirationTimestamp": "2020-01-01T00:00:00Z"}}`,
      ],
    }),
    'a plugin whose credentials end at no time': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "expirationTimestamp": "tomorrow"}}`],
    }),
  });
}
