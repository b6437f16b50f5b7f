/**
 * A command under the published K8SLock 0.2.5, as the benchmark's peer. It never releases, so that the next one waits until the lease has run out; by default
 * that is 30 s, here it is the shortest that can be told. It does not make the Lease that it wants, so that is done here.
 *   node k8slock.mjs KUBECONFIG NAMESPACE LEASE COMMAND [ARGUMENT...]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const [kubeconfig = '', namespace, leaseName, file = '', ...args] = process.argv.slice(2);
const published = new URL('../../../node_modules/k8slock-published/', import.meta.url);
const { K8SLock } = await import(new URL('index.js', published).href);
const { CoordinationV1Api, KubeConfig } = await import(
  new URL('node_modules/@kubernetes/client-node/dist/index.js', published).href
);
const kubeConfig = new KubeConfig();
kubeConfig.loadFromFile(kubeconfig);
const api = kubeConfig.makeApiClient(CoordinationV1Api);
await api.createNamespacedLease({ namespace, body: { metadata: { name: leaseName } } }).catch(() => {}); // It is there already.
const lock = new K8SLock({ kubeConfig, namespace, leaseName, lockLeaserId: String(process.pid), leaseDurationInSeconds: 1 });
await lock.startLocking();
const [code] = await once(spawn(file, args, { stdio: 'inherit' }), 'close');
process.exit(code);
