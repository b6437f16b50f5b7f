/** How a kubeconfig can be written: as YAML, with its values, and in what shape. */
import { base64, type TwoClients } from '../../harness/two-clients.ts';
import { config, context, type Kinds, kinds } from './kind.ts';

const clusterOf = ({ at, certificates: { authority } }: TwoClients) => ({
  server: at.urls.https,
  'certificate-authority-data': base64(authority.certificate),
});

/** With one user, written as it stands here. */
const yamlOf = (cluster: object) => (user: string) =>
  `current-context: x
clusters: [{name: c, cluster: ${JSON.stringify(cluster)}}]
contexts:
- name: x
  context: {cluster: c, user: u}
users:
- name: u
  user: ${user}
`;

export function texts(clients: TwoClients): Kinds {
  const cluster = clusterOf(clients);
  const good = JSON.stringify(config(cluster));
  const yaml = yamlOf(cluster);
  return kinds({
    'an empty file': '',
    'a comment': '# nothing yet\n',
    null: '~\n',
    'an empty mapping': '{}',
    'a list': '[]',
    text: 'hello',
    base64: base64(good),
    'JSON with a byte order mark and CRLF': `\ufeff${JSON.stringify(config(cluster), null, 2).replaceAll('\n', '\r\n')}`,
    'YAML with a byte order mark and CRLF': `\ufeff${yaml('{token: t}').replaceAll('\n', '\r\n')}`,
    'a tab as indentation': yaml('\n\ttoken: t'),
    'a tab behind a value': yaml('{token: t}\t# comment'),
  });
}

export function values(clients: TwoClients): Kinds {
  const cluster = clusterOf(clients);
  const yaml = yamlOf(cluster);
  return kinds({
    'a key twice': yaml('{token: a, token: b}'),
    'an anchor and an alias': `a: &a {token: t}\n${yaml('*a')}`,
    'an alias without an anchor': yaml('*a'),
    'a merge': `a: &a {token: a, as: alice}\n${yaml('{<<: *a, token: b}')}`,
    'a merge behind its key': `a: &a {token: a, as: alice}\n${yaml('{token: b, <<: *a}')}`,
    'a merge of several': `a: &a {token: a}\nb: &b {token: b, as: bob}\n${yaml('{<<: [*a, *b]}')}`,
    'yes as a token': yaml('{token: yes}'),
    'y as a token': yaml('{token: y}'),
    'null as a token': yaml('{token: null}'),
    '~ as a token': yaml('{token: ~}'),
    'a number as a token': yaml('{token: 0123}'),
    'a number as a token, tagged': yaml('{token: !!str 0123}'),
    'a date as a token': yaml('{token: 2024-01-31}'),
    'a time of day as a token': yaml('{token: 12:30}'),
    'hexadecimal as a token': yaml('{token: 0xabc}'),
    'a version as a token': yaml('{token: 1.2.3}'),
    'a float as a token': yaml('{token: 1e3}'),
    'on for verification': yaml('{token: t}').replace('"server"', 'insecure-skip-tls-verify: off, "server"'),
    'text for verification': yaml('{token: t}').replace('"server"', 'insecure-skip-tls-verify: "false", "server"'),
    'a folded token': yaml('\n    token: >-\n      abc\n'),
    'a literal token': yaml('\n    token: |\n      abc\n'),
    'a literal token without its line break': yaml('\n    token: |-\n      abc\n'),
    'a token over two lines': yaml('\n    token: abc\n      def\n'),
    escapes: yaml('{token: "\\x61\\u0062\\tc"}'),
  });
}

export function shapes(clients: TwoClients): Kinds {
  const cluster = clusterOf(clients);
  const good = JSON.stringify(config(cluster));
  const yaml = yamlOf(cluster);
  const shape = (more: object) => JSON.stringify(config(cluster, {}, more));
  return kinds({
    'a second document': `${good}\n---\n{"current-context": "other"}`,
    'a second document that is broken': `${good}\n---\n{[}`,
    'an empty first document': `---\n---\n${good}`,
    'a directive': `%YAML 1.1\n---\n${good}`,
    'broken YAML': '{ not yaml: [',
    'control characters': yaml('{token: "a\u0001"}'),
    'UTF-16': Buffer.from(`\ufeff${good}`, 'utf16le').toString('latin1'),
    'another kind': shape({ kind: 'Other' }),
    'another version': shape({ apiVersion: 'v2' }),
    'no kind and no version': JSON.stringify(config(cluster, { token: 't' }, { kind: undefined, apiVersion: undefined })),
    'fields of nobody': JSON.stringify(config(cluster, { token: 't', Token: 'T', other: [1] }, { other: { a: 1 } })),
    'a list in place of a mapping': shape({ users: [{ name: 'u', user: [] }] }),
    'a mapping in place of a list': shape({ users: { u: { token: 't' } } }),
    'a wrong type in what is not used': shape({
      clusters: [
        { name: 'c', cluster },
        { name: 'd', cluster: { server: 1 } },
      ],
    }),
    'null in place of lists': JSON.stringify({
      ...config(cluster),
      users: null,
      preferences: null,
      extensions: null,
      ...context({ user: '' }),
    }),
    'the same name twice': shape({ users: [{ name: 'u' }, { name: 'u' }] }),
    'the same extension twice': shape({
      extensions: [
        { name: 'e', extension: 1 },
        { name: 'e', extension: 2 },
      ],
    }),
  });
}
