/** Text in lines of a width, between words: what is longer than a line, such as an address, is not cut. */

export function wrapped(text: string, width: number, indent: string): string {
  const lines: string[] = [''];
  // The spaces at its beginning, and those between columns, belong to the word that follows.
  for (const word of text.split(/(?<=\S) /)) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${indent}`);
}
