/** The command lines of a test cluster's processes. */
import { join } from 'node:path';

export interface Ports {
  etcd: number;
  etcdPeer: number;
  apiServer: number;
}

export function etcdCommand(program: string, folder: string, ports: Ports): string[] {
  const client = etcdUrl(ports);
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return [
    program,
    '--unsafe-no-fsync',
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
}

/** On SQLite with the parameters that kine has by itself, in this folder, or on PostgreSQL at this port; without a port for metrics. */
export function kineCommand(program: string, folder: string, ports: Ports, postgresPort?: number): string[] {
  const parameters = '_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate';
  const sqlite = `sqlite://${join(folder, 'kine.db')}?${parameters}`;
  const endpoint = postgresPort === undefined ? sqlite : `postgres://postgres@127.0.0.1:${postgresPort}/kine?sslmode=disable`;
  return [program, `--listen-address=${etcdUrl(ports)}`, `--endpoint=${endpoint}`, '--metrics-bind-address=0'];
}

export function apiServerCommand(program: string, folder: string, ports: Ports): string[] {
  const key = join(folder, 'service-account.key');
  return [
    program,
    `--etcd-servers=${etcdUrl(ports)}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.apiServer}`,
    `--cert-dir=${join(folder, 'certs')}`,
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    `--client-ca-file=${join(folder, 'client.crt')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-cluster-ip-range=10.0.0.0/24',
  ];
}

const etcdUrl = ({ etcd }: Ports): string => `http://127.0.0.1:${etcd}`;
