/** What somebody may have meant who has mistyped a word. */

/** The nearest of them, if one is near enough: two letters that are wrong, missing, doubled or swapped, and fewer in short words. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const most = word.length < 5 ? 1 : 2;
  const [best] = known
    .map((each) => ({ each, distance: distanceOf(word.toLowerCase(), each) }))
    .filter(({ each, distance }) => distance <= most || (word.length > 3 && each.startsWith(word)))
    .sort((a, b) => a.distance - b.distance);
  return best?.each;
}

/** Damerau and Levenshtein's: how many letters have to be changed, added, removed, or swapped with the next one. */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
