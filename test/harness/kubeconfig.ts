/** A kubeconfig with one cluster, one user and the one context that joins them. As JSON, which is YAML. */
export function kubeconfigText({
  cluster,
  user = {},
  namespace,
}: {
  cluster: object;
  user?: object;
  namespace?: string;
}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    clusters: [{ name: 'x', cluster }],
    users: [{ name: 'x', user }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x', ...(namespace !== undefined && { namespace }) } }],
  });
}
