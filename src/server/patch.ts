/**
 * Merge patch (RFC 7386; for a Lease the strategic one is the same) and JSON patch (RFC 6902) on plain JSON. The input is never
 * changed. Like the real server, `replace` of a member that is not there adds it. Server-side apply is not supported.
 */
import { isDeepStrictEqual } from 'node:util';

export type PatchType = 'merge' | 'json';
export type Patched = { value: unknown } | { malformed: string } | { unfit: true };

export function applyPatch(type: PatchType, document: unknown, patch: unknown): Patched {
  if (type === 'json') return jsonPatch(document, patch);
  if (Array.isArray(patch))
    return { malformed: 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}' };
  if (!isObject(patch)) return { malformed: 'Invalid JSON Patch' };
  return { value: merge(document, patch) };
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

function jsonPatch(document: unknown, patch: unknown): Patched {
  if (!Array.isArray(patch)) {
    return { malformed: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp' };
  }
  const root = { document: structuredClone(document) };
  try {
    for (const operation of patch) perform(root, operation);
  } catch (error) {
    if (error instanceof Unfit) return { unfit: true };
    throw error;
  }
  return { value: root.document };
}

class Unfit extends Error {}

function perform(root: { document: unknown }, operation: unknown): void {
  if (!isObject(operation)) throw new Unfit();
  const at = pointer(root, operation.path);
  switch (operation.op) {
    case 'add':
      put(at, operation.value, 'insert');
      break;
    case 'replace':
      put(at, operation.value, 'overwrite');
      break;
    case 'remove':
      remove(at);
      break;
    case 'test':
      if (!isDeepStrictEqual(read(at), operation.value)) throw new Unfit();
      break;
    case 'copy':
      put(at, structuredClone(read(pointer(root, operation.from))), 'insert');
      break;
    case 'move': {
      const from = pointer(root, operation.from);
      const value = read(from);
      remove(from);
      put(pointer(root, operation.path), value, 'insert');
      break;
    }
    default:
      throw new Unfit();
  }
}

interface Location {
  parent: unknown;
  key: string;
}

function pointer(root: { document: unknown }, path: unknown): Location {
  if (typeof path !== 'string' || (path !== '' && !path.startsWith('/'))) throw new Unfit();
  const keys = ['document', ...path.split('/').slice(1).map(unescaped)];
  const last = keys.pop() ?? '';
  let parent: unknown = root;
  for (const key of keys) parent = read({ parent, key });
  return { parent, key: last };
}

function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function read({ parent, key }: Location): unknown {
  if (Array.isArray(parent)) return parent[index(key, parent.length - 1)];
  if (!isObject(parent) || !Object.hasOwn(parent, key)) throw new Unfit();
  return parent[key];
}

function put({ parent, key }: Location, value: unknown, how: 'insert' | 'overwrite'): void {
  if (Array.isArray(parent)) {
    if (how === 'overwrite') parent[index(key, parent.length - 1)] = value;
    else parent.splice(key === '-' ? parent.length : index(key, parent.length), 0, value);
  } else if (isObject(parent)) parent[key] = value;
  else throw new Unfit();
}

function remove(location: Location): void {
  read(location); // it must be there
  if (Array.isArray(location.parent)) location.parent.splice(Number(location.key), 1);
  else delete (location.parent as Record<string, unknown>)[location.key];
}

function index(key: string, last: number): number {
  if (!/^(0|[1-9]\d*)$/.test(key) || Number(key) > last) throw new Unfit();
  return Number(key);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
