/** Kubeconfigs as users of the Action have them, for the cluster and the account of a lab. */
import { kubeconfigText } from '../harness/kubeconfig.ts';
import type { Lab } from './lab.ts';

/** As `kubectl config view --raw` prints it. */
export function kubeconfigOf({ cluster, token, namespace }: Lab, more: { user?: string; server?: string } = {}): string {
  return `apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
    server: ${more.server ?? cluster.url}
    certificate-authority-data: ${Buffer.from(cluster.ca).toString('base64')}
users:
- name: test
  user:
    ${more.user ?? `token: ${token}`}
contexts:
- name: test
  context:
    cluster: test
    user: test
    namespace: ${namespace}
- name: broken
  context:
    cluster: nowhere
    user: test
`;
}

export const jsonOf = ({ cluster, token, namespace }: Lab): string =>
  kubeconfigText({
    cluster: { server: cluster.url, 'certificate-authority': cluster.caFile },
    user: { token },
    namespace,
  });
