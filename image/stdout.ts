/**
 * Standard output. What is written has arrived when this resolves: the process ends soon after, and what it still kept would be lost to a reader that is
 * slow. Whoever reads may stop early (`head`): then this process ends, and says nothing.
 */
import { EXIT } from './exit-codes.ts';

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
