/**
 * Standard output. What is written has arrived when this resolves: the process ends soon after, and what it still kept would be lost to a reader that is
 * slow. Whoever reads may stop early (`head`): then this process ends, and says nothing.
 */
import { EXIT } from './exit-codes.ts';

/** Undefined where it is no terminal, or one that does not know its size and says 0. */
export const terminalWidth = (): number | undefined => (process.stdout.isTTY && process.stdout.columns) || undefined;

let guarded = false;

export async function printLine(line: string): Promise<void> {
  await write(`${line}\n`);
}

export async function write(text: string): Promise<void> {
  if (!guarded) process.stdout.on('error', fail);
  guarded = true;
  await new Promise((written) => process.stdout.write(text, written));
}

function fail(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`k8s-lease-lock: standard output could not be written: ${error.message}\n`);
  process.exit(EXIT.output.code);
}
