/**
 * Text that others have written is data: nothing in it may move a cursor, clear a screen, or be taken for a command by whoever reads the log.
 */

/** Control characters, C1 and DEL included, line and paragraph separators, those that turn the direction of writing, and the byte order mark. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** GitHub's runner takes `##[command]` anywhere in a line, and `::command::` at the start of one. */
const WORKFLOW_COMMAND = /##(?=\[)|^::(?=[a-z])/g;

/** The same text with all of that made visible: `\x1b`, `\u2028`, `# #[`. Line breaks and tabs become spaces. */
export function visible(text: string): string {
  return text
    .replace(/[\r\n\t]+/g, ' ')
    .replace(INVISIBLE, (character) => {
      const code = character.charCodeAt(0).toString(16);
      return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
    })
    .replace(WORKFLOW_COMMAND, (command) => command.split('').join(' '));
}

/** JSON that says the same, with all of that escaped: what reads it as JSON gets the text as it was. */
export function visibleJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent)
    .replace(INVISIBLE, (character) =>
      character === '\n' ? '\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replaceAll('##[', '#\\u0023[');
}
