/** Colour on a terminal, unless NO_COLOR says otherwise (no-color.org), or the terminal knows none. */
import type { Env } from '../command-line.ts';

export type Colour = 'green' | 'yellow' | 'red' | 'bold';
export type Paint = (colour: Colour | undefined, text: string) => string;

const CODES: Record<Colour, number> = { green: 32, yellow: 33, red: 31, bold: 1 };

export const plain: Paint = (_, text) => text;

export function paintFor(isTerminal: boolean, env: Env): Paint {
  if (!isTerminal || env.NO_COLOR || env.TERM === 'dumb') return plain;
  return (colour, text) => (colour === undefined ? text : `\x1b[${CODES[colour]}m${text}\x1b[0m`);
}
