/** Who asks: by a token, a certificate, a password, for somebody else, by a provider. */
import { base64, type TwoClients } from '../../harness/two-clients.ts';
import { config, exec, type Kinds, kinds } from './kind.ts';

export function users({ at, certificates: { authority, alice, bob } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const as = (user: object) => config(cluster, user);
  const files = { 'client-certificate': 'alice.crt', 'client-key': 'alice.key' };
  const data = { 'client-certificate-data': base64(bob.certificate), 'client-key-data': base64(bob.key) };
  return kinds({
    'a token': as({ token: 'secret' }),
    'a token that is not ASCII': as({ token: 'sécret' }),
    'a token with a line break': as({ token: 'secret\n' }),
    'a token that is a number': as({ token: 123 }),
    'a token file': as({ tokenFile: 'token' }),
    'a token file before a token': as({ tokenFile: 'token', token: 'other' }),
    'a token file that is missing': as({ tokenFile: 'missing' }),
    'a token file that is missing, and a token': as({ tokenFile: 'missing', token: 'other' }),
    'a token file that is empty': as({ tokenFile: 'empty' }),
    'a token file that is empty, and a token': as({ tokenFile: 'empty', token: 'other' }),
    'a name and a password': as({ username: 'alice', password: 'pä:ss' }),
    'a name alone': as({ username: 'alice' }),
    'a password alone': as({ password: 'secret' }),
    'a password and a token': as({ username: 'alice', password: 'secret', token: 't' }),
    'a client certificate in files': as(files),
    'a client certificate as data': as(data),
    'a client certificate in a file, its key as data': as({
      'client-certificate': 'alice.crt',
      'client-key-data': base64(alice.key),
    }),
    'a client certificate with its key in one text': as({
      'client-certificate-data': base64(bob.key + bob.certificate),
      'client-key-data': base64(bob.certificate + bob.key),
    }),
    'a client certificate twice': as({ ...files, ...data }),
    'a client certificate without its key': as({ 'client-certificate': 'alice.crt' }),
    'a key without its certificate': as({ 'client-key': 'alice.key' }),
    'the key of another': as({ 'client-certificate': 'alice.crt', 'client-key': 'bob.key' }),
    'a client certificate whose file is missing': as({ ...files, 'client-certificate': 'missing' }),
    'a key whose file is missing, without a certificate': as({ 'client-key': 'missing', token: 't' }),
    'the same for HTTP': config({ server: at.urls.http }, { 'client-key': 'missing' }),
    'a client certificate whose file is missing, for HTTP': config(
      { server: at.urls.http },
      { ...files, 'client-certificate': 'missing' },
    ),
    'a client certificate and a token': as({ ...files, token: 't' }),
    'a client certificate and a plugin': as({ ...files, ...exec() }),
  });
}

export function identities({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const as = (user: object) => config(cluster, user);
  const extra = { 'A b%': ['1', '2'], 'example.com/x': ['ü'], empty: [] };
  return kinds({
    'for somebody else': as({ token: 't', as: 'alice', 'as-uid': '7', 'as-groups': ['g1', 'g2'], 'as-user-extra': extra }),
    'for somebody whose name is not ASCII': as({ token: 't', as: 'Zoë' }),
    'for somebody else, without credentials': as({ as: 'alice' }),
    'for a group of nobody': as({ token: 't', 'as-groups': ['g1'] }),
    'a user without anything': as({}),
    'a user that is null': config(cluster, {}, { users: [{ name: 'u', user: null }] }),
    'auth-provider gcp': as({ 'auth-provider': { name: 'gcp' } }),
    'auth-provider azure, and a token': as({ token: 't', 'auth-provider': { name: 'azure', config: {} } }),
    'an auth-provider of nobody': as({ 'auth-provider': { name: 'other', config: {} } }),
    'oidc without an issuer': as({ 'auth-provider': { name: 'oidc', config: { 'client-id': 'a' } } }),
    'oidc without tokens': as({
      'auth-provider': { name: 'oidc', config: { 'client-id': 'a', 'idp-issuer-url': 'https://127.0.0.1:1' } },
    }),
    'oidc with a token that is good for long': as(oidc({ exp: 4_000_000_000 })),
    'oidc with a token without an end': as(oidc({})),
  });
}

const oidc = (claims: object) => ({
  'auth-provider': {
    name: 'oidc',
    config: {
      'client-id': 'a',
      'idp-issuer-url': 'https://127.0.0.1:1',
      'id-token': `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`,
    },
  },
});
