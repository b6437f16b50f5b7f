/** Lines on standard output. Whoever reads them may stop early (`head`): then this process ends, and says nothing. */
import { once } from 'node:events';

/** Undefined where it is no terminal, or one that does not know its size and says 0. */
export const terminalWidth = (): number | undefined => (process.stdout.isTTY && process.stdout.columns) || undefined;

let guarded = false;

export async function printLine(line: string): Promise<void> {
  await write(`${line}\n`);
}

export async function write(text: string): Promise<void> {
  if (!guarded) process.stdout.on('error', () => process.exit(0));
  guarded = true;
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
