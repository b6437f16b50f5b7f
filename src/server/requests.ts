/**
 * What one request for Leases means: method, content type, body and parameters become one call on the store, and its answer comes
 * back as a code and a body. Watches are told apart before (watch.ts). No sockets here.
 */
import type { Lease } from './lease.ts';
import { dryRunOf, notSupported, writeOptions } from './query.ts';
import { selector } from './selectors.ts';
import * as say from './status.ts';
import type { DeleteOptions, LeaseStore, Reply } from './store.ts';

export interface ApiRequest {
  method: string;
  query: URLSearchParams;
  contentType: string;
  userAgent: string | undefined;
  body: string;
}

export interface LeaseList {
  kind: 'LeaseList';
  apiVersion: 'coordination.k8s.io/v1';
  metadata: { resourceVersion: string };
  items: Lease[];
}

export type Answer = { code: number; body: Lease | LeaseList | say.Status; warnings: string[] };

const PATCH_TYPES: Record<string, 'merge' | 'json'> = {
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'merge',
  'application/json-patch+json': 'json',
};

export function answerOne(store: LeaseStore, request: ApiRequest, at: { namespace: string; name: string }): Answer {
  switch (request.method) {
    case 'GET':
      return tooNew(store, request.query) ?? store.get(at.namespace, at.name);
    case 'PUT':
      return withObject(request, 'UpdateOptions', (sent, options) => store.put(at.namespace, at.name, sent, options));
    case 'PATCH':
      return patch(store, request, at);
    case 'DELETE':
      return remove(store, request, at);
    default:
      return refuse(say.methodNotAllowed());
  }
}

export function answerCollection(store: LeaseStore, request: ApiRequest, namespace: string | undefined): Answer {
  switch (request.method) {
    case 'GET':
      return tooNew(store, request.query) ?? list(store, request.query, namespace);
    case 'POST':
      if (namespace === undefined) return refuse(say.methodNotAllowed());
      return withObject(request, 'CreateOptions', (sent, options) => store.post(namespace, sent, options));
    case 'DELETE':
      return namespace === undefined ? refuse(say.methodNotAllowed()) : removeAll(store, request, namespace);
    default:
      return refuse(say.methodNotAllowed());
  }
}

function list(store: LeaseStore, query: URLSearchParams, namespace: string | undefined): Answer {
  const selected = selector(query, namespace);
  if ('kind' in selected) return refuse(selected);
  const version = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(version)) {
    const text = JSON.stringify(version);
    return refuse(
      say.badRequest(
        `invalid resource version: resourceVersion: Invalid value: ${text}: strconv.ParseUint: parsing ${text}: invalid syntax`,
      ),
    );
  }
  return listOf(store.list(selected.matches), store.resourceVersion());
}

function listOf(leases: readonly Lease[], resourceVersion: string): Answer {
  // The members of a list don't say their kind.
  const items = leases.map(({ metadata, spec }) => ({ metadata, spec }) as Lease);
  return {
    code: 200,
    body: { kind: 'LeaseList', apiVersion: 'coordination.k8s.io/v1', metadata: { resourceVersion }, items },
    warnings: [],
  };
}

type Write = (sent: unknown, options: Exclude<ReturnType<typeof writeOptions>, say.Status>) => Reply;

function withObject(request: ApiRequest, optionsKind: string, write: Write): Answer {
  const options = writeOptions(request.query, optionsKind, request.userAgent);
  if ('kind' in options) return refuse(options);
  if (!['', 'application/json'].includes(request.contentType)) return refuse(unknownFormat());
  const parsed = parse(request.body);
  if ('why' in parsed) return refuse(say.badRequest(unrecognized(parsed.why)));
  if (Array.isArray(parsed.value)) return refuse(say.badRequest(unrecognized('json: cannot unmarshal array into Go value')));
  return write(parsed.value, options);
}

function patch(store: LeaseStore, request: ApiRequest, at: { namespace: string; name: string }): Answer {
  if (request.contentType === 'application/apply-patch+yaml') {
    return refuse(
      say.unsupportedMediaType(
        'server-side apply is not supported here; send a merge patch, or use `kubectl apply` without --server-side',
      ),
    );
  }
  const type = PATCH_TYPES[request.contentType];
  if (!type) return refuse(say.unsupportedMediaType('415: Unsupported Media Type', {}));
  const options = writeOptions(request.query, 'PatchOptions', request.userAgent);
  if ('kind' in options) return refuse(options);
  const parsed = parse(request.body);
  if ('why' in parsed) return refuse(say.badRequest('invalid JSON patch'));
  return store.patch(at.namespace, at.name, { type, body: parsed.value }, options);
}

function remove(store: LeaseStore, request: ApiRequest, at: { namespace: string; name: string }): Answer {
  const options = deleteOptions(request);
  return 'kind' in options ? refuse(options) : store.delete(at.namespace, at.name, options);
}

function removeAll(store: LeaseStore, request: ApiRequest, namespace: string): Answer {
  const options = deleteOptions(request);
  if ('kind' in options) return refuse(options);
  const selected = selector(request.query, namespace);
  if ('kind' in selected) return refuse(selected);
  const gone = store.list(selected.matches);
  for (const lease of gone) store.delete(namespace, lease.metadata.name, { dryRun: options.dryRun ?? false });
  return listOf(gone, store.resourceVersion());
}

/** DeleteOptions come in the body, in the parameters, or not at all. */
function deleteOptions(request: ApiRequest): DeleteOptions | say.Status {
  const causes: say.Cause[] = [];
  let sent: {
    kind?: string;
    propagationPolicy?: string;
    dryRun?: string[];
    preconditions?: { uid?: string; resourceVersion?: string };
  } = {};
  if (request.body) {
    if (!['', 'application/json'].includes(request.contentType)) return unknownFormat();
    const parsed = parse(request.body);
    if ('why' in parsed) return say.badRequest(`couldn't get version/kind; json parse error: ${parsed.why}`);
    sent = (parsed.value ?? {}) as typeof sent;
    if (sent.kind && sent.kind !== 'DeleteOptions')
      return say.badRequest(`no kind ${JSON.stringify(sent.kind)} is registered; DeleteOptions was expected`);
  }
  const policy = sent.propagationPolicy ?? request.query.get('propagationPolicy') ?? '';
  const policies = ['Foreground', 'Background', 'Orphan'];
  if (policy && !policies.includes(policy)) causes.push(notSupported('propagationPolicy', policy, [...policies, 'nil']));
  const dryRun = dryRunOf(sent.dryRun ?? request.query.getAll('dryRun'), causes);
  if (causes.length > 0) return say.invalidOptions('DeleteOptions', causes);
  const { uid, resourceVersion } = sent.preconditions ?? {};
  return { dryRun, ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) };
}

/** A client may ask for an answer that is at least as new as a version it knows; one from the future can't be served. */
function tooNew(store: LeaseStore, query: URLSearchParams): Answer | undefined {
  const wanted = query.get('resourceVersion') ?? '';
  if (!/^\d+$/.test(wanted) || BigInt(wanted) <= BigInt(store.resourceVersion())) return undefined;
  return refuse(say.versionTooLarge(wanted, store.resourceVersion()));
}

function parse(text: string): { value: unknown } | { why: string } {
  if (text === '') return { why: 'unexpected end of JSON input' };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { why: (error as Error).message };
  }
}

function unrecognized(why: string): string {
  return `the object provided is unrecognized (must be of type Lease): couldn't get version/kind; json parse error: ${why}`;
}

function unknownFormat(): say.Status {
  return say.unsupportedMediaType(
    'the body of the request was in an unknown format - accepted media types include: application/json',
  );
}

export function refuse(status: say.Status): Answer {
  return { code: status.code ?? 500, body: status, warnings: [] };
}
