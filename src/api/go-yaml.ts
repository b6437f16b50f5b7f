/**
 * YAML as kubectl reads it (go-yaml, YAML 1.1), into what JSON can say: the first document, `yes` is true, 010 is 8, and of doubled keys the last
 * counts. No message quotes the text: it may be a secret.
 */
import { isAlias, isMap, isScalar, isSeq, type Node, parseAllDocuments, type Scalar } from 'yaml';

/** Rejects what is no YAML with a sentence, `it is not YAML: ...`. */
export function readYaml(bytes: Buffer): unknown {
  // YAML 1.1 ends lines at these, too.
  const text = decoded(bytes).replace(/[\u0085\u2028\u2029]/g, '\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what YAML forbids
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) throw new Error('it is not YAML: it contains control characters');
  const [first] = parseAllDocuments(text, {
    version: '1.1',
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  if (!first) return null;
  const [error] = first.errors;
  if (error) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    throw new Error(`it is not YAML: line ${line}: ${REASONS[error.code] ?? 'check the syntax'}`);
  }
  return contentOf(first.contents, { anchors: new Map(), left: MOST_NODES });
}

/** Many times what a kubeconfig has: a document whose aliases double themselves would fill the memory. */
const MOST_NODES = 200_000;

const REASONS: Record<string, string> = {
  TAB_AS_INDENT: 'indent with spaces instead of tabs',
  BAD_INDENT: 'check the indentation',
};

/** As its byte order mark says: PowerShell redirects into UTF-16. */
function decoded(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString('hex');
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not YAML: it is not encoded in UTF-8');
  }
}

interface Reading {
  anchors: Map<string, Node>;
  left: number;
}

function contentOf(node: unknown, reading: Reading): unknown {
  reading.left -= 1;
  if (reading.left < 0) throw new Error('it is not a kubeconfig: it contains too many values');
  if (isAlias(node)) {
    const target = reading.anchors.get(node.source);
    if (!target) throw new Error(`it is not YAML: there is no anchor "${node.source}" before its alias`);
    return contentOf(target, reading);
  }
  if (isScalar(node) || isMap(node) || isSeq(node)) {
    if (node.anchor) reading.anchors.set(node.anchor, node);
  }
  if (isScalar(node)) return scalarOf(node);
  if (isSeq(node)) return node.items.map((item) => contentOf(item, reading));
  if (!isMap(node)) return null;
  const entries = new Map<string, unknown>();
  // In order: an explicit key counts only if it stands behind what is merged.
  for (const { key, value } of node.items) {
    if (isMergeKey(key)) for (const [name, merged] of mergedInto(contentOf(value, reading))) entries.set(name, merged);
    else entries.set(keyOf(contentOf(key, reading)), contentOf(value, reading));
  }
  return Object.fromEntries(entries);
}

const isMergeKey = (key: unknown): boolean => isScalar(key) && key.type === 'PLAIN' && key.value === '<<';

function mergedInto(value: unknown): [string, unknown][] {
  const maps = Array.isArray(value) ? value.toReversed() : [value];
  if (maps.some((map) => typeof map !== 'object' || map === null || Array.isArray(map)))
    throw new Error('it is not YAML: "<<" needs a mapping, or a list of them');
  return maps.flatMap((map) => Object.entries(map as object));
}

function keyOf(key: unknown): string {
  if (key === null || typeof key === 'object') throw new Error('it is not a kubeconfig: a key has to be text');
  return String(key);
}

const TAG = 'tag:yaml.org,2002:';
/** A quoted text with one of these is read as if it were plain; with any other it stays text. */
const READ_AS_PLAIN = ['null', 'bool', 'int', 'float'].map((name) => TAG + name);

function scalarOf({ value, type, tag }: Scalar): unknown {
  const text = String(value ?? '');
  if (tag === `${TAG}binary`) return Buffer.from(text, 'base64').toString();
  return (tag === undefined ? type === 'PLAIN' : READ_AS_PLAIN.includes(tag)) ? resolved(text) : text;
}

const NULL = /^(?:~|null|Null|NULL)?$/;
const YES = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const NO = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(?:0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|\d+)$/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const NO_NUMBER = /^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$/;

function resolved(text: string): unknown {
  if (NULL.test(text)) return null;
  if (YES.test(text)) return true;
  if (NO.test(text)) return false;
  if (NO_NUMBER.test(text)) throw new Error('it is not a kubeconfig: it contains an infinite number');
  const number = /^[-+.\d]/.test(text) ? text.replaceAll('_', '') : '';
  if (INTEGER.test(number)) {
    const digits = number.replace(/^[-+]/, '').replace(/^0(?=[0-7]+$)/, '0o');
    return Number(digits) * (number.startsWith('-') ? -1 : 1);
  }
  // What is too large for a number stays text.
  return FLOAT.test(number) && Number.isFinite(Number(number)) ? Number(number) : text;
}
