/** What people reported of others' programs, and which test shows that it does not happen here. Each stands for its kind. */

export interface Case {
  what: string;
  /** Where it was reported, as owner/repository#number. */
  source: string;
  test: string;
  /** A part of the test's name, as its file has it. */
  name: string;
}

const of = (test: string, ...cases: [what: string, source: string, name: string][]): Case[] =>
  cases.map(([what, source, name]) => ({ what, source, test, name }));

export const CASES: readonly Case[] = [
  ...of(
    'test/api/lease-client.test.ts',
    [
      'a removed API server answers 401 on old connections for ever',
      'aws/containers-roadmap#1810',
      'after a 5xx the next request uses a new connection',
    ],
    [
      'credentials that never come',
      'kubernetes-sigs/aws-iam-authenticator#347',
      'credentials that do not come in time are a failed request',
    ],
    ["a proxy's Date header is believed", 'mnot/redbot#16', 'whose clock the Date header is says nothing'],
  ),
  ...of(
    'test/lock/refused.test.ts',
    [
      'one 403 ends a wait of hours',
      'kubernetes/kubernetes#121635',
      'one 403 to a waiter that has been served before is trouble',
    ],
    ['what was never allowed is asked for two minutes', 'kubernetes/kubectl#1319', 'a first 403 ends a wait immediately'],
  ),
  ...of('test/lock/come-back-later.test.ts', [
    'an API server that is overloaded counts as gone',
    'patroni/patroni#2536',
    'an API server that asks to come back later is not silent',
  ]),
  ...of('test/lock/one-try.test.ts', [
    'a Lease made by hand, without spec or field tracking',
    'kubernetes/kubernetes#78738',
    'one try on a Lease whose fields are not tracked',
  ]),
  ...of(
    'test/field/refusals.test.ts',
    ['a quota is told as a missing right', 'open-policy-agent/gatekeeper#256', 'a quota that is used up'],
    ['a webhook is told as a missing right, or asked again for ever', 'kyverno/kyverno#12996', 'a webhook that denies with'],
  ),
  ...of(
    'test/e2e/credentials.test.ts',
    ['a wrong CA costs two minutes', 'kubernetes/kubectl#1319', 'what can never work is said immediately'],
    ['the words of a plugin are hidden', 'kubernetes-client/python#1787', 'a plugin asks on the terminal'],
    ['a rotated token is not read again', 'kubernetes-client/java#34', 'a token that is replaced in its file counts'],
  ),
  ...of('test/api/kinds/plugins.ts', [
    'a plugin is not told of its cluster',
    'Azure/kubelogin#150',
    'a plugin that is told of the cluster',
  ]),
  ...of(
    'test/api/kinds/users.ts',
    ['groups of impersonation are dropped', 'kubernetes-client/javascript#2355', 'as-groups'],
    ['a token file beside the kubeconfig is not read', 'kubernetes-client/java#34', 'a token file'],
  ),
  ...of('test/api/kinds/texts.ts', ['an empty file in KUBECONFIG', 'kube-rs/kube#721', 'an empty file']),
  ...of('test/api/kinds/servers.ts', [
    "the system's certificate authorities",
    'kubernetes-client/javascript#2546',
    'SSL_CERT_FILE',
  ]),
  ...of('test/api/kubeconfig-kinds.test.ts', [
    'a context names a user that is not there',
    'kubernetes/kubernetes#21062',
    'a user that the context names and the file lacks is refused',
  ]),
  ...of('test/api/oidc.test.ts', [
    'a refresh token is used twice',
    'kubernetes-client/javascript#399',
    'a refresh token that is good once: it is written back',
  ]),
  ...of('test/api/cluster.test.ts', [
    'KUBECONFIG names nothing, in a Pod',
    'lyft/clutch#150',
    'in a Pod, kubeconfigs that name no cluster lead to the Pod',
  ]),
  ...of(
    'test/action/inputs.test.ts',
    ['an input is half-filled in pre', 'actions/runner#389', 'what is empty or incomplete may be filled by a step'],
    ['post sees the inputs of the outer action', 'actions/runner#2030', 'post needs nothing but what main had'],
  ),
  ...of('test/action/full-disk.test.ts', ["the runner's disk fills up", 'actions/runner-images#1860', 'a disk that fills up']),
  ...of('test/names.test.ts', ['names as people have them', 'github/branch-deploy#298', 'the nearest valid one is named']),
  ...of('test/e2e/output.test.ts', [
    'what is printed is cut at 65,536 bytes',
    'nodeca/js-yaml#286',
    'a reader that is slow gets all of it',
  ]),
  ...of(
    'test/image/inject/inject.test.ts',
    ['kinds that are not known are printed unguarded', 'istio/istio#1912', 'a template is guarded wherever it stands'],
    ['our annotation where it guards nothing', 'linkerd/linkerd2#3630', 'an annotation that guards nothing is refused'],
  ),
  ...of('test/image/inject/guarded.ts', ['quotas refuse what is injected', 'linkerd/linkerd2#2750', 'resources of its own']),
  ...of(
    'test/matrix/matrix.ts',
    ['Jest in CommonJS mode', 'jestjs/jest#15782', 'CommonJS by default, and ES modules'],
    ['types for require', 'microsoft/TypeScript#49266', 'node16'],
    ['bundlers, with a kubeconfig', 'kubernetes-client/javascript#242', 'esbuild, webpack and rollup'],
  ),
  ...of(
    'test/field/between.test.ts',
    ['the proxy of a mesh comes up after the guard', 'istio/istio#11130', 'a guard that starts before the proxy of its mesh'],
    ['the proxy of a mesh ends before the guard', 'istio/istio#6324', 'a proxy that ends before the guard'],
  ),
  ...of('test/e2e/credentials.test.ts', [
    'a plugin is slower than a request',
    'aws/aws-cli#5570',
    'a plugin may take longer than a request',
  ]),
  ...of('test/action/secrets.test.ts', [
    'a token on the line after its key is not masked, and a password of one letter hides that letter',
    'fabric8io/kubernetes-client#1525',
    'secrets of a kubeconfig are masked as YAML means them',
  ]),
  ...of('test/image/inject/inject.test.ts', [
    'a container with small limits ends by what is injected',
    'hashicorp/consul-k8s#283',
    'a wrapped container whose limits leave nothing',
  ]),
  ...of('test/api/memory.test.ts', [
    'signals that live long keep what came of them',
    'nodejs/node#55351',
    'leave nothing behind',
  ]),
  ...of('test/library/package.test.ts', [
    'an old Node ends with a stack trace',
    'kubernetes-client/javascript#2014',
    'an older Node is refused with a sentence',
  ]),
  ...of('test/library/fake-timers.test.ts', [
    'fake timers of tests',
    'kubernetes-client/javascript#242',
    'the lock is renewed by the real ones, and lost in time',
  ]),
  ...of(
    'test/field/controllers.test.ts',
    ['a restore meets Leases that are there', 'velero-io/velero#4524', 'under the same holder, it goes on'],
    ['a Lease is part of an application', 'argoproj/argo-cd#12722', 'a manifest without a holder leaves the lock as it is'],
    ['a Lease is part of a chart', 'nginx/kubernetes-ingress#7573', 'Argo CD prunes, Helm uninstalls'],
  ),
];
