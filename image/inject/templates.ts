/**
 * Where in an object Pods are described, in whatever kind: known kinds have their template in one place, others wherever metadata stands beside a spec with
 * containers. And where our annotations stand else, since nothing there guards anything.
 */
import { documentAt } from '../../src/documents.ts';
import { PREFIX } from './annotations.ts';

export type Path = readonly (string | number)[];
export type Fields = Readonly<Record<string, unknown>>;

export interface Template {
  /** For people: `Job ci/nightly`. */
  object: string;
  path: Path;
  value: unknown;
  owner: { kind: string; spec: Fields };
}

/** An object with its templates, and what is wrong with where its annotations stand. */
export interface Workload {
  object: string;
  templates: readonly Template[];
  problem: string | undefined;
}

const KNOWN: Readonly<Record<string, Path>> = {
  'v1/Pod': [],
  'batch/v1/Job': ['spec', 'template'],
  'batch/v1/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'apps/v1/Deployment': ['spec', 'template'],
  'apps/v1/StatefulSet': ['spec', 'template'],
  'apps/v1/DaemonSet': ['spec', 'template'],
  'apps/v1/ReplicaSet': ['spec', 'template'],
};
/** Their annotations with this prefix are no wishes: the lock itself, and what switches the policies on. */
const OTHERS = ['coordination.k8s.io/v1/Lease', 'v1/Namespace'];

export function workloadsIn(value: unknown, at: Path = []): Workload[] {
  const { apiVersion, kind, metadata, items } = fieldsOf(value);
  if (Array.isArray(items) && String(kind).endsWith('List'))
    return items.flatMap((item, i) => workloadsIn(item, [...at, 'items', i]));
  const type = `${apiVersion}/${kind}`;
  if (OTHERS.includes(type)) return [];
  const { namespace, name, generateName } = fieldsOf(metadata);
  const object = `${kind ?? 'object'} ${namespace === undefined ? '' : `${namespace}/`}${name ?? generateName ?? ''}`;
  const known = KNOWN[type];
  const paths = known ? [known] : templatePaths(value);
  const owner = { kind: String(kind ?? 'object'), spec: fieldsOf(fieldsOf(value).spec) };
  return [
    {
      object,
      templates: paths.map((path) => ({ object, path: [...at, ...path], value: valueAt(value, path), owner })),
      problem: misplaced(value, paths, owner.kind),
    },
  ];
}

/** Of everything that is built as a template is. */
function templatePaths(value: unknown, at: Path = []): Path[] {
  const { metadata, spec } = fieldsOf(value);
  const { containers } = fieldsOf(spec);
  if (Array.isArray(containers) && (metadata instanceof Object || at.length > 0)) return [at];
  return below(value).flatMap(([key, child]) => templatePaths(child, [...at, key]));
}

function misplaced(value: unknown, templates: readonly Path[], kind: string): string | undefined {
  const right = templates.map((path) => [...path, 'metadata', 'annotations'].join('/'));
  const [found] = placesOf(value, []).filter(({ path }) => !right.includes(path.join('/')));
  if (found === undefined) return undefined;
  const { path, key } = found;
  const isLabel = path.at(-1) === 'labels';
  // A kind of which Pods are made may still hide them from whoever looks at the object.
  const fix =
    templates.length === 0
      ? 'no template of Pods is found in it: annotate what describes the Pods'
      : `${isLabel ? 'write it as an annotation of' : 'move it to'} the ${kind === 'Pod' ? 'Pod' : 'template of the Pods'}`;
  return `${isLabel ? 'label' : 'annotation'} ${key} is on the ${kind}, where it guards nothing: ${fix} (${documentAt('inject.md#annotations')})`;
}

/** Every key of ours among labels and annotations, at any depth. */
function placesOf(value: unknown, at: Path): { path: Path; key: string }[] {
  const last = at.at(-1);
  const here = last === 'annotations' || last === 'labels' ? Object.keys(fieldsOf(value)).filter(isOurs) : [];
  return [...here.map((key) => ({ path: at, key })), ...below(value).flatMap(([key, child]) => placesOf(child, [...at, key]))];
}

const below = (value: unknown): [string | number, unknown][] =>
  Array.isArray(value) ? value.map((item, i) => [i, item]) : Object.entries(fieldsOf(value));

export const isOurs = (key: string): boolean => key.startsWith(PREFIX);
export const fieldsOf = (value: unknown): Fields => (value instanceof Object && !Array.isArray(value) ? (value as Fields) : {});
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const valueAt = (value: unknown, path: Path): unknown => path.reduce((at, key) => (at as Fields | undefined)?.[key], value);
