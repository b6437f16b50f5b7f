/** Which context counts, and what it names. */
import { base64, type Given, type TwoClients } from '../../harness/two-clients.ts';
import { config, context, type Kind, type Kinds } from './kind.ts';

export function contexts({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const by = (more: object, given?: Given): Kind => ({ content: config(cluster, { token: 't' }, more), ...(given && { given }) });
  const two = {
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u' } },
      { name: 'y', context: { cluster: 'c', user: 'v', namespace: 'team' } },
    ],
    users: [
      { name: 'u', user: { token: 't' } },
      { name: 'v', user: { token: 'of v' } },
    ],
  };
  return {
    'a namespace': by(context({ namespace: 'team' })),
    'a context by name': by(two, { context: 'y' }),
    'a context that is missing': by(two, { context: 'z' }),
    'a context without a name, as an option': by(two, { context: '' }),
    'a current context that is missing': by({ 'current-context': 'z' }),
    'no current context': by({ 'current-context': '' }),
    'a current context by name, though none is set': by({ ...two, 'current-context': null }, { context: 'y' }),
    'a context without a name': by({
      'current-context': '',
      contexts: [{ context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    }),
    'a user without a name': by({ ...context({ user: '' }), users: [{ user: { token: 'nameless' } }] }),
    'a context without a user': by(context({ user: undefined })),
    'a context without a cluster': by(context({ cluster: undefined })),
    'a context with a cluster that is missing': by(context({ cluster: 'other' })),
  };
}
