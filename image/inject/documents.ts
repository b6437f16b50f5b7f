/**
 * Manifests as people keep them, YAML of several documents or JSON: which Pods and templates in them ask to be guarded, and the same text with these
 * injected. A document without any is given back as it was, byte for byte; in one with, the printer keeps comments, and its spelling of each value.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Document, isCollection, isSeq, type ParsedNode, parseAllDocuments, type ScalarTag, type Tags, visit } from 'yaml';
import { documentAt } from '../../src/documents.ts';
import { PREFIX } from './annotations.ts';
import { type GuardedPod, guardedPod, type PodSpec } from './guarded-pod.ts';
import { type Addition, injection } from './injection.ts';
import { problemOfPod } from './problems.ts';
import { fieldsOf, isOurs, listOf, type Template, workloadsIn } from './templates.ts';
import {
  type Owner,
  problemOfDurations,
  problemOfLimits,
  problemOfRestarts,
  problemOfRollout,
  problemOfVersion,
  remarkOn,
} from './workload-problems.ts';

/** `guarded`: what is, and how, a line each. */
export type Injected =
  | { kind: 'text'; text: string; guarded: readonly string[] }
  | { kind: 'refused'; problems: readonly string[] };

export interface Target {
  /** Replaces that of the annotations. */
  image?: string | undefined;
  /** 28 for Kubernetes 1.28; absent for one that has everything that is injected. */
  kubernetesMinor?: number;
}

/** A problem names its document and its object. */
export function injectText(text: string, target: Target = {}): Injected {
  try {
    return injectDocuments(text, target);
  } catch (error) {
    // Aliases that expand without end are refused by the library, by an exception.
    return { kind: 'refused', problems: [`invalid YAML: ${(error as Error).message}`] };
  }
}

function injectDocuments(text: string, target: Target): Injected {
  const parsed = parseAllDocuments(text, { merge: true, uniqueKeys: true, customTags: spelledAsBefore, prettyErrors: false });
  const documents = Array.isArray(parsed) ? parsed : [];
  const problems: string[] = [];
  const guarded: string[] = [];
  let printed = '';
  let from = 0;
  for (const [i, document] of documents.entries()) {
    const to = i === documents.length - 1 ? text.length : document.range[2];
    const where = documents.length === 1 ? '' : `document ${i + 1}: `;
    const done = injectDocument(document, text.slice(from, to), target);
    if (done.kind === 'text') {
      printed += done.text;
      guarded.push(...done.guarded.map((line) => where + line));
    } else problems.push(...done.problems.map((problem) => where + problem));
    from = to;
  }
  return problems.length > 0
    ? { kind: 'refused', problems }
    : { kind: 'text', text: documents.length === 0 ? text : printed, guarded };
}

/** A library's idea of a number is not kubectl's: 0644 has to stay 0644. */
function spelledAsBefore(tags: Tags): Tags {
  return tags.map((tag) => {
    if (typeof tag === 'string' || !('test' in tag) || tag.test === undefined) return tag;
    const scalar: ScalarTag = tag;
    return { ...scalar, stringify: (item, ...more) => item.source ?? scalar.stringify?.(item, ...more) ?? String(item.value) };
  });
}

function injectDocument(document: Document<ParsedNode>, text: string, target: Target): Injected {
  const problem = document.errors[0]?.message ?? problemOfKeys(document);
  if (problem !== undefined) {
    const hint = /\{\{.*\}\}/.test(text) ? ' (a template that has to be rendered first?)' : '';
    return { kind: 'refused', problems: [`invalid YAML: ${problem}${hint}`] };
  }
  const before: unknown = document.toJS();
  const workloads = workloadsIn(before);
  const found = workloads.flatMap(({ templates }) =>
    templates.map((template) => ({ ...template, ...additionsFor(template, target) })),
  );
  const problems = [...workloads, ...found].flatMap(({ object, problem }) =>
    problem === undefined ? [] : [`${object}: ${problem}`],
  );
  if (problems.length > 0) return { kind: 'refused', problems };
  const additions = found.flatMap(({ additions }) => additions);
  const guarded = found.flatMap(({ object, how }) => (how === undefined ? [] : [`${object}: ${how}`]));
  if (additions.length === 0) return { kind: 'text', text, guarded };
  const after = structuredClone(before);
  for (const addition of additions) addTo(after, addition);
  if (isJson(text)) return { kind: 'text', text: `${JSON.stringify(after, undefined, /^[ \t]+/m.exec(text)?.[0])}\n`, guarded };
  try {
    for (const addition of additions) addToDocument(document, addition);
  } catch {
    // What it was to be added to is no list or map of its own: said below.
  }
  if (isDeepStrictEqual(document.toJS(), after)) return { kind: 'text', text: document.toString(layoutOf(text)), guarded };
  const [{ object } = { object: 'it' }] = found;
  return {
    kind: 'refused',
    problems: [
      `${object}: what is injected would reach places that an alias (*) or a merge (<<) leads to: write these out (${documentAt('inject.md#files')})`,
    ],
  };
}

/** YAML has maps and lists as keys, JSON and the API server have not; `{{ x }}` is one. */
function problemOfKeys(document: Document<ParsedNode>): string | undefined {
  let problem: string | undefined;
  visit(document, {
    Pair(_, { key }) {
      if (isCollection(key)) problem = `${String(key)} is a map or a list, and cannot be a key`;
    },
  });
  return problem;
}

/** Free text. */
const FREE = [`${PREFIX}reason`];

function additionsFor(
  { path, value, owner }: Template,
  { image, kubernetesMinor }: Target,
): { additions: Addition[]; problem?: string; how?: string } {
  const refused = (why: string) => ({ additions: [], problem: why });
  // Empty fields are as good as absent ones.
  const { metadata, spec } = fieldsOf(JSON.parse(JSON.stringify(value ?? {}), (_, field) => field ?? undefined));
  const ours = Object.entries(fieldsOf(fieldsOf(metadata).annotations)).filter(([key]) => isOurs(key));
  if (ours.length === 0) return { additions: [] };
  const noText = ours.find(([, value]) => typeof value !== 'string');
  if (noText)
    return refused(
      `annotation ${noText[0]} is ${JSON.stringify(noText[1])}, and no text: put it into quotes (${documentAt('inject.md#annotations')})`,
    );
  // With slug, what is between the braces would be a name.
  const unrendered = ours.find(([key, value]) => !FREE.includes(key) && /\{\{|\$\{/.test(String(value)));
  if (unrendered)
    return refused(
      `annotation ${unrendered[0]} is "${unrendered[1]}", a template: render it first (helm template, envsubst) (${documentAt('inject.md#annotations')})`,
    );
  const { containers, initContainers = [], volumes = [] } = fieldsOf(spec);
  const lists = [containers, initContainers, volumes].every(
    (list) => Array.isArray(list) && list.every((item) => item instanceof Object),
  );
  if (!lists || listOf(containers).length === 0)
    return refused(`this is no Pod: it has no list of containers (${documentAt('inject.md#files')})`);
  const pod = guardedPod({
    metadata: { annotations: Object.fromEntries(ours) as Record<string, string> },
    spec: spec as PodSpec,
  });
  const refusal = pod && (problemOf(pod, owner) ?? problemOfVersion(pod, kubernetesMinor));
  if (refusal !== undefined) return refused(refusal);
  if (pod === undefined) return { additions: [] };
  const how = describeGuard(pod) + remarkOn(owner);
  if (pod.injected !== undefined) return { additions: [], how: `${how}, as before` };
  return { how, additions: injection(pod, image).map((addition) => ({ ...addition, path: [...path, ...addition.path] })) };
}

const problemOf = (pod: GuardedPod, owner: Owner): string | undefined =>
  problemOfRestarts(pod, owner) ??
  problemOfPod(pod) ??
  problemOfRollout(pod, owner) ??
  problemOfDurations(pod) ??
  problemOfLimits(pod);

function describeGuard({ asked, mode }: GuardedPod): string {
  const namespace = asked.get('namespace');
  const lock = `${namespace === undefined ? '' : `${namespace}/`}${asked.get('name')}`;
  return mode === 'wrap'
    ? `guarded by the lock ${lock}: its command is wrapped`
    : `guarded by the lock ${lock}: a sidecar holds it`;
}

function addTo(root: unknown, { path, ...addition }: Addition): void {
  const [key = ''] = path.slice(-1);
  const parent = path
    .slice(0, -1)
    .reduce<Record<string, unknown>>((at, step) => at[step] as Record<string, unknown>, root as never);
  const list = listOf(parent[key]);
  if (addition.kind === 'set') parent[key] = addition.value;
  else parent[key] = addition.kind === 'first' ? [...addition.values, ...list] : [...list, ...addition.values];
}

function addToDocument(document: Document<ParsedNode>, { path, ...addition }: Addition): void {
  // Without aliases: what is there twice is written twice.
  const node = (value: unknown) => document.createNode(value, { aliasDuplicateObjects: false });
  const there: unknown = document.getIn(path);
  if (addition.kind === 'set') document.setIn(path, node(addition.value));
  else if (!isSeq(there)) document.setIn(path, node(addition.values));
  else if (addition.kind === 'last') there.items.push(...addition.values.map(node));
  else there.items.unshift(...addition.values.map(node));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** As the rest of it is written. */
function layoutOf(text: string): { lineWidth: number; indent: number; indentSeq: boolean; flowCollectionPadding: boolean } {
  return {
    lineWidth: 0,
    indent: /^( +)[^\s#-]/m.exec(text)?.[1]?.length ?? 2,
    indentSeq: !/^( *)(?:- )?[^\s#].*:[ \t]*\n\1- /m.test(text),
    flowCollectionPadding: /[{[] /.test(text),
  };
}
