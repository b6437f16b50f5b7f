/** Text that was written to do something to whoever prints it, and what must not come out. */
import assert from 'node:assert/strict';
import fc from 'fast-check';

const PIECES = [
  ...['\u001b[2J\u001b[H', '\u001b]52;c;ZXZpbA==\u0007', '\u009b31m', '\u0090q\u009c', '\u007f\b\b', '\u0000', '\r', '\n'],
  ...['\n::error::forged', '##[set-env name=X]y', '\nk8s-lease-lock: released', '\u2028', '\u202e', '\u2066', '\u200f', '\ufeff'],
  ...[
    '<img src=x onerror=alert(1)>',
    '](javascript:alert(1))',
    '%0A::warning::x',
    '"}',
    "'; rm -rf /; '",
    '🚀 Zoë',
    'x'.repeat(300),
  ],
];
const texts = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
/** Each piece in one of them, and some of them together; a process for each piece would cost too much. */
export const SAMPLES = [
  ...[0, 8, 16].map((at) => PIECES.slice(at, at + 8).join('')),
  ...fc.sample(texts, { numRuns: 5, seed: 1 }),
];

/** What may not come out raw, line feeds apart. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;

export function assertHarmless(what: string, text: string): void {
  const raw = RAW.exec(text);
  assert.equal(raw, null, `${what} prints ${JSON.stringify(raw?.[0])}: ${JSON.stringify(text)}`);
  assert.equal(text.includes('##['), false, `${what} gives a command: ${text}`);
  assert.doesNotMatch(text, /^::|^k8s-lease-lock: released/m, `${what} forges a line`);
}
