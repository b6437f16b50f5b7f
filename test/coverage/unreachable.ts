/** Branches that no test visits, and why. What the type checker proves to be unreachable needs no row. */
import type { Branch } from './branches.ts';

interface Unreachable {
  /** In src/. */
  file: string;
  /** The first words of the branch. */
  text: string;
  why: string;
}

const UNREACHABLE: readonly Unreachable[] = [];

export interface Explained {
  /** Without a reason. */
  left: Branch[];
  /** Reasons for what is visited, or is no more. */
  stale: Unreachable[];
}

export function explained(unvisited: readonly Branch[]): Explained {
  const isFor = (row: Unreachable, { file, text }: Branch) => row.file === file && text.startsWith(row.text);
  return {
    left: unvisited.filter(
      (branch) => !branch.text.includes('satisfies never') && !UNREACHABLE.some((row) => isFor(row, branch)),
    ),
    stale: UNREACHABLE.filter((row) => !unvisited.some((branch) => isFor(row, branch))),
  };
}
