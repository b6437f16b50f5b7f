/** Other people's text is made harmless before it is printed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { visible } from '../src/visible.ts';

test('what others have written moves no cursor and gives no command', () => {
  const cases: [string, string][] = [
    ['release 1.2 für Zoë 🚀', 'release 1.2 für Zoë 🚀'],
    ['\u001b[2J\u001b]52;c;ZXZpbA==\u0007', '\\x1b[2J\\x1b]52;c;ZXZpbA==\\x07'],
    ['deploy ##[set-env name=X]y', 'deploy # #[set-env name=X]y'],
    ['::error::x', ': :error::x'],
    ['a\r\n::warning::b', 'a ::warning::b'],
    ['\u009b31m \u007f \u202e', '\\x9b31m \\x7f \\u202e'],
  ];
  for (const [text, expected] of cases) assert.equal(visible(text), expected);
});

test('no text gets a control character or a workflow command through, and what is visible stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = visible(text);
      assert.doesNotMatch(shown, /\p{Cc}|\u2028|\u2029/u);
      assert.equal(shown.includes('##['), false);
      assert.equal(visible(shown), shown);
    }),
  );
});
