/** What the kernel has refused, as "EACCES: permission denied". */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** Of an error of Node, or of an error number of this platform. */
export function systemError(error: unknown): string {
  const number = typeof error === 'number' ? -error : (error as NodeJS.ErrnoException)?.errno;
  if (typeof number !== 'number') return (error as Error)?.message ?? String(error);
  try {
    return `${getSystemErrorName(number)}: ${getSystemErrorMessage(number)}`;
  } catch {
    return `error ${-number}`;
  }
}
