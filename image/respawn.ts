/** How this program is started once more, for a helper process: as a script under Node, or as the single executable that it is in the image. */
import { isSea } from 'node:sea';

export function respawn(nodeFlags: readonly string[], ...args: string[]): readonly [string, ...string[]] {
  // The executable takes no flags of Node, so that the workload can't give it any.
  return isSea() ? [process.execPath, ...args] : [process.execPath, ...nodeFlags, process.argv[1] ?? '', ...args];
}
