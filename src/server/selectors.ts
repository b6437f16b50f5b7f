/**
 * `fieldSelector` and `labelSelector` of a query as one predicate, or the Status that refuses them. Fields: metadata.name and
 * metadata.namespace, as for every Lease. Labels: the whole grammar (=, ==, !=, in, notin, exists, !, >, <).
 */
import type { Matches } from './history.ts';
import type { Lease } from './lease.ts';
import { badRequest, type Status } from './status.ts';

export function selector(query: URLSearchParams, namespace: string | undefined): { matches: Matches } | Status {
  const fields = parseFields(query.get('fieldSelector') ?? '');
  if ('kind' in fields) return fields;
  const labels = parseLabels(query.get('labelSelector') ?? '');
  if ('kind' in labels) return labels;
  return {
    matches: (lease) =>
      (namespace === undefined || lease.metadata.namespace === namespace) && fields.matches(lease) && labels.matches(lease),
  };
}

function parseFields(text: string): { matches: Matches } | Status {
  const terms: Matches[] = [];
  for (const term of text.split(',').filter(Boolean)) {
    const found = /^([^=!]*)(!=|==?)(.*)$/.exec(term);
    if (!found) return badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field, operator, value] = found;
    if (field !== 'metadata.name' && field !== 'metadata.namespace') {
      return badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
    }
    const read = (lease: Lease) => (field === 'metadata.name' ? lease.metadata.name : lease.metadata.namespace);
    terms.push((lease) => (read(lease) === value) === (operator !== '!='));
  }
  return { matches: (lease) => terms.every((term) => term(lease)) };
}

type Labels = Record<string, string>;

function parseLabels(text: string): { matches: Matches } | Status {
  const tokens = [...text.matchAll(/[(),]|!=|==|[=!<>]|[^\s(),=!<>]+/g)].map(([token]) => token);
  const requirements: ((labels: Labels) => boolean)[] = [];
  try {
    while (tokens.length > 0) {
      requirements.push(requirement(tokens));
      if (tokens.length > 0) expect(tokens, ',', "',' or 'end of string'");
    }
  } catch (error) {
    if (error instanceof Unparsable) return badRequest(`unable to parse requirement: ${error.message}`);
    throw error;
  }
  return { matches: (lease) => requirements.every((holds) => holds(lease.metadata.labels ?? {})) };
}

class Unparsable extends Error {}

/** Takes one requirement off the front of `tokens`. */
function requirement(tokens: string[]): (labels: Labels) => boolean {
  if (tokens[0] === '!') {
    tokens.shift();
    const absent = word(tokens);
    return (labels) => !Object.hasOwn(labels, absent);
  }
  const key = word(tokens);
  const has = (labels: Labels) => Object.hasOwn(labels, key);
  if (tokens.length === 0 || tokens[0] === ',') return has;
  const operator = tokens.shift();
  switch (operator) {
    case 'in':
    case 'notin': {
      const values = list(tokens);
      return (labels) => (has(labels) && values.includes(labels[key] ?? '')) === (operator === 'in');
    }
    case '=':
    case '==':
    case '!=': {
      // An empty value may be written as nothing at all.
      const value = tokens.length === 0 || tokens[0] === ',' ? '' : word(tokens);
      return (labels) => (has(labels) && labels[key] === value) === (operator !== '!=');
    }
    case '>':
    case '<': {
      const limit = Number(word(tokens));
      return (labels) => has(labels) && (operator === '>' ? Number(labels[key]) > limit : Number(labels[key]) < limit);
    }
    default:
      throw new Unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
  }
}

function list(tokens: string[]): string[] {
  expect(tokens, '(', "'('");
  const values: string[] = [];
  while (tokens[0] !== ')') {
    values.push(word(tokens));
    if (tokens[0] === ',') tokens.shift();
    else if (tokens[0] !== ')') throw new Unparsable(`found '${tokens[0] ?? ''}', expected: ',' or ')'`);
  }
  tokens.shift();
  return values;
}

function word(tokens: string[]): string {
  const token = tokens.shift() ?? '';
  if (!/^[^(),=!<>]+$/.test(token)) throw new Unparsable(`found '${token}', expected: identifier`);
  return token;
}

function expect(tokens: string[], wanted: string, words: string): void {
  const token = tokens.shift() ?? '';
  if (token !== wanted) throw new Unparsable(`found '${token}' expected: ${words}`);
}
