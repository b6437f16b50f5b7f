/**
 * The processes of a test cluster, etcd (or what takes its place) and kube-apiserver: started on free loopback ports in a temporary folder, restarted
 * on the same ports with the same data, frozen, killed, stopped. Nothing listens on any other address. Durability is not wanted: etcd
 * does not fsync.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterBinaries } from '../cluster/binaries.ts';
import { apiClient } from './api.ts';
import { type ChildServer, startChildServer } from './child-server.ts';
import { apiServerCommand, type Ports } from './control-plane-commands.ts';
import { freePort } from './ports.ts';
import { type Store, startStore } from './store.ts';
import { until } from './until.ts';

export interface ControlPlane {
  folder: string;
  url: string;
  /** Of etcd, or of what takes its place, for its own clients. */
  etcdUrl: string;
  /** Of etcd, for others of its kind: a restored one is given it again. */
  peerUrl: string;
  pids(): { etcd: number; apiServer: number };
  /** SIGKILL to the API server; etcd keeps running. */
  killApiServer(): Promise<void>;
  /** The API server again, on the same port, with the same certificates and data; resolves once it is ready. */
  startApiServer(): Promise<void>;
  /** Another API server on the same etcd, of this program or the same: it knows what happens while the first is away. */
  startAnother(program?: string): Promise<AnotherApiServer>;
  /** SIGKILL to etcd or what takes its place, which then starts again, after `meanwhile`. The API servers keep running. */
  restartStore(meanwhile?: () => void | Promise<void>): Promise<void>;
  /** Resolves once none of its threads runs any more. */
  freeze(which: 'etcd' | 'apiServer'): Promise<void>;
  resume(which: 'etcd' | 'apiServer'): void;
  stop(): Promise<void>;
}

export interface AnotherApiServer {
  url: string;
  kill(): Promise<void>;
  /** Again, on its port; resolves once it is ready. */
  start(): Promise<void>;
  /** Resolves once none of its threads runs any more. */
  freeze(): Promise<void>;
  resume(): void;
}

/** A cold start takes 3 s; a machine that runs other tests at the same time may need many times that. */
const READY_MS = 90_000;
const START_ATTEMPTS = 4;

export interface ControlPlaneOptions {
  /** An AuthenticationConfiguration, for tokens of issuers other than the API server itself. */
  authenticationConfig?: string;
}

export async function startControlPlane(
  binaries: ClusterBinaries,
  tokens: string,
  options: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  for (let attempt = 1; ; attempt++) {
    const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-cluster-'));
    try {
      return await startIn(folder, binaries, tokens, options);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      // Between choosing a port and listening on it somebody else may take it: choose again.
      if (attempt === START_ATTEMPTS || !/address already in use/.test(String(error))) throw error;
    }
  }
}

async function startIn(
  folder: string,
  binaries: ClusterBinaries,
  tokens: string,
  { authenticationConfig }: ControlPlaneOptions,
): Promise<ControlPlane> {
  writeFiles(folder, tokens, authenticationConfig);
  const authentication = authenticationConfig === undefined ? [] : [`--authentication-config=${join(folder, 'authentication')}`];
  const ports: Ports = { etcd: await freePort(), etcdPeer: await freePort(), apiServer: await freePort() };
  const url = urlOf(ports.apiServer);
  const adminToken = tokens.split(',')[0] ?? '';

  const store = await startStore(binaries, folder, ports);
  const newApiServer = async (port = ports.apiServer, program = binaries.kubeApiserver) => {
    const command = [...apiServerCommand(program, folder, { ...ports, apiServer: port }), ...authentication];
    const logFile = join(folder, `apiserver-${port}.log`);
    return await startApiServerBy(command, { folder, logFile, adminToken, url: urlOf(port), store });
  };
  let apiServer = await newApiServer().catch(async (error: unknown) => {
    await store.stop();
    throw error;
  });
  const others = otherServers(newApiServer);
  const of = (which: 'etcd' | 'apiServer') => (which === 'etcd' ? store.front() : apiServer);

  return {
    folder,
    url,
    etcdUrl: `http://127.0.0.1:${ports.etcd}`,
    peerUrl: `http://127.0.0.1:${ports.etcdPeer}`,
    pids: () => ({ etcd: store.front().pid, apiServer: apiServer.pid }),
    killApiServer: () => apiServer.kill(),
    async startApiServer() {
      if (apiServer.alive()) throw new Error('the API server is still running');
      apiServer = await newApiServer();
    },
    startAnother: others.start,
    restartStore: store.restart,
    freeze: (which) => freeze(of(which)),
    resume: (which) => of(which).signal('SIGCONT'),
    async stop() {
      await Promise.all([apiServer.kill(), others.kill()]);
      await store.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function otherServers(newServer: (port: number, program?: string) => Promise<ChildServer>) {
  const others: { server: ChildServer }[] = [];
  return {
    async start(program?: string): Promise<AnotherApiServer> {
      const port = await freePort();
      const other = { server: await newServer(port, program) };
      others.push(other);
      return {
        url: urlOf(port),
        kill: () => other.server.kill(),
        async start() {
          other.server = await newServer(port, program);
        },
        freeze: () => freeze(other.server),
        resume: () => other.server.signal('SIGCONT'),
      };
    },
    kill: async () => void (await Promise.all(others.map(({ server }) => server.kill()))),
  };
}

const urlOf = (port: number): string => `https://127.0.0.1:${port}`;

interface Place {
  folder: string;
  logFile: string;
  adminToken: string;
  url: string;
  store: Store;
}

async function startApiServerBy(command: string[], { folder, logFile, adminToken, url, store }: Place): Promise<ChildServer> {
  const server = await startChildServer(command, { folder, logFile });
  try {
    await untilReady({ url, folder, adminToken }, [...store.servers(), server]);
    return server;
  } catch (error) {
    await server.kill();
    throw error;
  }
}

/** What the API server reads at its start: tokens, the key of ServiceAccounts, whom it trusts. */
function writeFiles(folder: string, tokens: string, authenticationConfig: string | undefined): void {
  writeFileSync(join(folder, 'tokens.csv'), tokens, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(folder, 'service-account.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  makeClientCertificate(folder);
  writeFileSync(join(folder, 'authentication'), authenticationConfig ?? '');
}

async function freeze(server: ChildServer): Promise<void> {
  server.signal('SIGSTOP');
  await until(() => isStopped(server.pid), 'all of its threads stand still');
}

function isStopped(pid: number): boolean {
  const states = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1'));
  return states.every((stat) => stat.slice(stat.lastIndexOf(')') + 2).startsWith('T'));
}

/** `client.crt` and `client.key` of an administrator, by certificate: self-signed, so that it is its own authority. */
function makeClientCertificate(folder: string): void {
  const files = ['-keyout', join(folder, 'client.key'), '-out', join(folder, 'client.crt')];
  const subject = ['-subj', '/O=system:masters/CN=certified', '-days', '2'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...subject, ...files],
    { stdio: 'pipe' },
  );
}

async function untilReady(target: { url: string; folder: string; adminToken: string }, servers: ChildServer[]): Promise<void> {
  const giveUp = Date.now() + READY_MS;
  while (!(await isReady(target))) {
    const dead = servers.find((server) => !server.alive());
    const late = Date.now() > giveUp ? servers.at(-1) : undefined;
    const culprit = dead ?? late;
    if (culprit)
      throw new Error(
        `${culprit.logFile}: ${dead ? 'ended' : 'not ready'} during the start; its last words:\n${culprit.logTail()}`,
      );
    await sleep(50);
  }
}

async function isReady({ url, folder, adminToken }: { url: string; folder: string; adminToken: string }): Promise<boolean> {
  try {
    const ca = readFileSync(join(folder, 'certs', 'apiserver.crt'), 'utf8');
    const answer = await apiClient({ url, ca, token: adminToken }).request('GET', '/readyz', undefined, {
      signal: AbortSignal.timeout(2_000),
    });
    return answer.status === 200;
  } catch {
    return false; // not there yet: no certificate, no listener, or no answer in time
  }
}
