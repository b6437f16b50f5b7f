/** The documents can be read: plain words, and lines that fit a diff. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import { documents, read, root } from './documents.ts';

/**
 * Words that readers of an early text stumbled over: idioms, pictures, a machine as a person, and expressions with two meanings ("at once" is
 * immediately or at the same time).
 */
const BANNED = [
  /\b(?:is|are|be) none\b/i,
  /(?<!there )\bis no (?:name|namespace|duration|folder|lock|cluster)\b/i,
  /\bfor ever\b/i,
  /\bat once\b/i,
  /\bcan not\b/i,
  /\bby its word\b/i,
  /\banew\b/i,
  /\b(?:given?|gives|gave|giving)(?: \w+){0,2} back\b/i,
  /\blets? (?:it |them )?go\b/i,
  /\bdeaf\b/i,
  /\bdoors?\b/i,
  /\b(?:he|him|his|she|her)\b/,
  /\b(?:I|we|us|our|ours|my|mine)\b/,
  /\b[Ww]hoever\b/,
  /\b(?:tells?|told|says no|heard?)\b/,
  /(?:^|[.!?] )Who \w+/,
  /\?(?:\s|$)/,
];
/** From code, where the words of other places are looked after. */
const GENERATED = ['options', 'hold-options', 'status-options', 'unlock-options', 'exit-codes', 'annotations', 'mutants'];

/** The text that people read: no code blocks, no code spans, no tables that come from code; a line stays a line. */
function prose(path: string): string[] {
  const without = GENERATED.map((name) => new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`, 'g'));
  const blank = (text: string, pattern: RegExp) => text.replace(pattern, (found) => found.replace(/[^\n]/g, ''));
  const text = [...without, /^ *```[\s\S]*?^ *```/gm].reduce(blank, read(path));
  return path.endsWith('.md') ? text.replace(/`[^`\n]*`/g, '').split('\n') : text.split('\n');
}

test('the documents are written in plain English', () => {
  const files = ['CHANGELOG.md', 'action.yml', ...documents];
  const found = files
    .filter((path) => path !== 'docs/api.md')
    .flatMap((path) =>
      prose(path).flatMap((line, i) =>
        BANNED.filter((word) => word.test(line)).map((word) => `${path}:${i + 1}: ${word.exec(line)?.[0]}: ${line}`),
      ),
    );
  assert.deepEqual(found, []);
});

/** Exceptions cannot be broken: a row of a table, what a program prints, a link that is longer than the line. */
test('no line of a document is longer than 120 characters, so that a diff can be read', () => {
  const files = globSync('**/*.md', { cwd: root, exclude: (path) => /^(node_modules|dist)$/.test(path) });
  assert.ok(files.includes('README.md') && files.includes('docs/safety.md') && files.includes('docs/evidence.md'));
  const long = files
    .filter((path) => path !== 'docs/api.md')
    .flatMap((path) => {
      const printed = read(path).replace(/^```text\n(?:k8s-lease-lock: .*\n)+```/gm, (found) => found.replace(/[^\n]/g, ''));
      return printed.split('\n').flatMap((line, i) => {
        const breakable = !line.startsWith('|') && !/^\s*\S+$/.test(line.replace(/\[[^\]]*\]\([^)]*\)/g, 'link'));
        return line.length > 120 && breakable ? [`${path}:${i + 1}: ${line.length}`] : [];
      });
    });
  assert.deepEqual(long, []);
});
