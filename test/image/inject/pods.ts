/** Annotated Pods, and workloads with them as their templates, for the tests of the command and of the policies alike. */
import type { Container, PodSpec } from '../../../image/inject/guarded-pod.ts';
import { documentAt } from '../../../src/documents.ts';

export type Fields = Record<string, unknown>;

export interface Pod {
  apiVersion: 'v1';
  kind: 'Pod';
  metadata: { name: string; annotations?: Record<string, string> };
  spec: Fields & Pick<PodSpec, 'containers'>;
}

export interface Case {
  title: string;
  annotations: Record<string, string>;
  spec: Fields;
}

export const P = 'lease-lock.nullplatform.com/';
export const image = 'registry.example.com/backup:1';
export const main = { name: 'main', image };
export const commanded = { ...main, command: ['/usr/local/bin/backup'] };

export const container = (more: Fields = {}): Container => ({ ...commanded, ...more });

/** Annotations are without their prefix; the name of the lock is there unless it is given. */
export function podOf({ title, annotations, spec }: Case): Pod {
  const given = Object.entries({ name: 'nightly', ...annotations }).filter(([, value]) => value !== NOT_THERE);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: title.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
      annotations: { 'example.com/other': 'stays', ...Object.fromEntries(given.map(([name, value]) => [P + name, value])) },
    },
    spec: { restartPolicy: 'Never', containers: [commanded], ...spec },
  };
}

const KINDS: Record<string, [apiVersion: string, spec: (template: Fields) => Fields]> = {
  Job: ['batch/v1', (template) => ({ template })],
  CronJob: ['batch/v1', (template) => ({ schedule: '0 3 * * *', jobTemplate: { spec: { template } } })],
  Deployment: ['apps/v1', (template) => ({ selector: { matchLabels: LABELS }, template })],
  StatefulSet: ['apps/v1', (template) => ({ selector: { matchLabels: LABELS }, serviceName: 'x', template })],
  DaemonSet: ['apps/v1', (template) => ({ selector: { matchLabels: LABELS }, template })],
  ReplicaSet: ['apps/v1', (template) => ({ selector: { matchLabels: LABELS }, template })],
};
const LABELS = { app: 'x' };

export const kinds = Object.keys(KINDS);

/** A workload with that Pod as its template. */
export function workload(
  kind: string,
  { metadata, spec }: Pod,
): { apiVersion: string; kind: string; metadata: Fields & { name: string }; spec: Fields } {
  const [apiVersion = '', around = () => ({})] = KINDS[kind] ?? [];
  const template = { metadata: { labels: LABELS, annotations: metadata.annotations }, spec };
  return { apiVersion, kind, metadata: { name: metadata.name }, spec: around(template) };
}

/** Takes an annotation away that podOf would write. */
export const NOT_THERE = 'not there';

/** Workloads that are annotated where it guards nothing, and the sentence for them. */
export function misplaced(kind: string): { objects: { apiVersion: string; kind: string }[]; sentence: string } {
  const restartPolicy = kind.endsWith('Job') ? 'Never' : 'Always';
  const object = workload(kind, podOf({ title: 'misplaced', annotations: { name: NOT_THERE }, spec: { restartPolicy } }));
  const annotations = { [`${P}name`]: 'nightly' };
  const objects = [{ ...object, metadata: { name: 'misplaced', annotations } }];
  const { jobTemplate } = object.spec;
  if (jobTemplate)
    objects.push({ ...object, spec: { ...object.spec, jobTemplate: { ...jobTemplate, metadata: { annotations } } } } as never);
  const fix = `move it to the template of the Pods (${documentAt('inject.md#annotations')})`;
  return { objects, sentence: `annotation ${P}name is on the ${kind}, where it guards nothing: ${fix}` };
}
