/**
 * Which Kubernetes and which store the tests run against: the newest on etcd, unless the environment says otherwise. Every other version of
 * kube-apiserver has a folder here, named as its minor version, with the go.mod and go.sum from which it is built. etcd and kubectl are those of the newest.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A minor version, such as 1.29. */
export const KUBERNETES = 'K8S_LEASE_LOCK_TEST_KUBERNETES';
/** `kine`, which puts into SQLite what the API server stores, as k3s does; `kine-postgres`: into PostgreSQL. */
export const STORE = 'K8S_LEASE_LOCK_TEST_STORE';

const here = dirname(fileURLToPath(import.meta.url));
const newest = join(here, '../cluster');

export const KINE = join(here, 'kine');

/** The version that a go.mod names, such as v1.29.15. */
export function versionIn(folder: string): string {
  const version = /k8s\.io\/kubernetes (v\S+)/.exec(readFileSync(join(folder, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${folder}/go.mod names no version of k8s.io/kubernetes`);
  return version;
}

/** The minor versions that can be chosen besides the newest, the oldest first. */
export const olderVersions = (): string[] =>
  readdirSync(here)
    .filter((name) => /^1\.\d+$/.test(name))
    .sort((a, b) => minorOf(a) - minorOf(b));

/** The folder of go.mod and go.sum of the API server that was chosen. */
export function chosenKubernetes(): string {
  const version = process.env[KUBERNETES];
  if (!version) return newest;
  if (!olderVersions().includes(version)) throw new Error(`${KUBERNETES}=${version}: there are ${olderVersions().join(', ')}`);
  return join(here, version);
}

/** Besides etcd. */
export const STORES = ['kine', 'kine-postgres'] as const;

export function chosenStore(): 'etcd' | (typeof STORES)[number] {
  const store = process.env[STORE];
  if (!store) return 'etcd';
  const known = STORES.find((name) => name === store);
  if (!known) throw new Error(`${STORE}=${store}: there are ${STORES.join(', ')}`);
  return known;
}

/** 29 for Kubernetes 1.29. */
export const chosenMinor = (): number => minorOf(versionIn(chosenKubernetes()));

const minorOf = (version: string): number => Number(version.split('.')[1]);
