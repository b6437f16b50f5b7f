/** What the last word of an unfinished command line is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as run from '../../../image/commands/run.ts';
import * as unlock from '../../../image/commands/unlock.ts';
import { readTyped, unquoted } from '../../../image/completion/words.ts';

const SHAPES = { run: run.SHAPE, unlock: unlock.SHAPE };

test('the last word is an option, the value of one, an operand, or part of a command', () => {
  const rows: [keyof typeof SHAPES, string[], string][] = [
    ['unlock', [''], 'operand 0'],
    ['unlock', ['-'], 'option'],
    ['unlock', ['deploy', '--ho'], 'option'],
    ['unlock', ['deploy', '--holder', 'x'], 'value of holder: x'],
    ['unlock', ['deploy', '--holder=x=y'], 'value of holder: x=y'],
    ['unlock', ['--holder', 'x', 'de'], 'operand 0'],
    ['unlock', ['-n', 'c'], 'value of namespace: c'],
    ['unlock', ['-n', 'ci', 'deploy', 'x'], 'operand 1'],
    ['unlock', ['-nci', ''], 'operand 0'],
    ['unlock', ['--force', ''], 'operand 0'],
    ['unlock', ['--force='], 'value of force: '],
    ['unlock', ['--nonsense', ''], 'operand 0'],
    ['unlock', ['--', '--ho'], 'operand 0'],
    ['run', ['--name', 'x', '--'], 'option'],
    ['run', ['--name', 'x', '--', '-l'], 'operand 0'],
    ['run', ['--name', 'x', './deploy.sh', '--name'], 'command'],
  ];
  for (const [command, words, expected] of rows) {
    const typed = readTyped(SHAPES[command], words);
    const told = {
      option: () => 'option',
      value: () => ('option' in typed ? `value of ${typed.option.name}: ${typed.text}` : ''),
      operand: () => ('at' in typed ? `operand ${typed.at}` : ''),
      command: () => 'command',
    };
    assert.equal(told[typed.kind](), expected, `${command} ${words.join(' ')}`);
  }
});

test('quotes and backslashes of a word are read as the shell reads them, also where one is still open', () => {
  const rows: [string, string][] = [
    ['plain', 'plain'],
    [`'a  b'c`, 'a  bc'],
    [`"a \\"b\\" $c"`, 'a "b" $c'],
    ['a\\ b', 'a b'],
    [`"rel`, 'rel'],
    [`'rel`, 'rel'],
    ['""', ''],
    ['~/x', '/home/alice/x'],
    ['~', '/home/alice'],
    ['a~/x', 'a~/x'],
    ['~bob/x', '~bob/x'],
  ];
  for (const [typed, word] of rows) assert.equal(unquoted(typed, { HOME: '/home/alice' }), word, typed);
});
