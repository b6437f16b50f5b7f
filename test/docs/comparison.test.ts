/** docs/comparison.md is complete: each tool has its row, its section and its source; and what it says of ours is there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as run from '../../image/commands/run.ts';
import { read } from './documents.ts';

const PAGE = 'docs/comparison.md';
const [introduction = '', ...parts] = read(PAGE).split(/^## /m);
const sectionOf = (heading: string): string => parts.find((part) => part.startsWith(`${heading}\n`)) ?? '';
const rowsOf = (text: string): string[][] =>
  [...text.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(' | ')).filter(([first]) => first !== '---');

test('each tool has a row, a section, and a source with a version or a date', () => {
  const [, ours, ...tools] = rowsOf(sectionOf('In one table'));
  assert.equal(ours?.[0], '**k8s-lease-lock**');
  const names = tools.map(([name = '']) => /^\[(.*)\]/.exec(name)?.[1] ?? name);
  const [, ...sources] = rowsOf(sectionOf('Sources'));
  assert.deepEqual(
    sources.map(([name]) => name),
    names,
  );
  for (const [name, links, version] of sources) {
    assert.match(links ?? '', /^\[[^\]]+\]\(https:\/\/[^)]+\)/, name);
    assert.match(version ?? '', /\d/, name);
  }
  const sections = parts.map((part) => part.split('\n')[0]);
  assert.deepEqual(sections.slice(0, 2), ['In one table', 'What this lock does not have'], introduction);
  assert.equal(sections.length, names.length + 3);
});

test('each section says what the other tool has, and when to use it', () => {
  for (const part of parts.slice(2, -1)) {
    const heading = part.split('\n')[0] ?? '';
    assert.match(part, /^It has, and this has not: /m, heading);
    assert.match(part.replaceAll('\n', ' '), /Use (?:it|`flock`) |is not meant for this/, heading);
  }
});

test('the options that are compared with others are options of run', () => {
  const ours = run.SHAPE.options.map(({ name }) => `--${name}`);
  for (const option of ['--timeout', '--min-hold']) assert.ok(ours.includes(option) && read(PAGE).includes(option), option);
  assert.ok(run.SHAPE.options.some(({ alias }) => alias === 'E'));
});
