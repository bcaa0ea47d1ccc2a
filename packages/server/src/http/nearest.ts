/** What a misspelt name was probably meant to be. Pure. */

export function nearestOf(given: string, known: readonly string[]): string | undefined {
  const near = known
    .map((name) => ({ name, distance: distanceOf(given, name) }))
    .filter(({ distance, name }) => isNear(distance, name))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.name;
}

export function isNear(distance: number, name: string): boolean {
  return distance <= Math.max(1, Math.floor(name.length / 3));
}

/** Letters to change, leave out, put in, or swap with their neighbour, whatever their case; a missing `Ms` costs one. */
export function distanceOf(given: string, known: string): number {
  // What is much longer is nothing that was misspelt; and nobody waits for it to be compared.
  if (given.length > 2 * known.length + 2) return given.length;
  const [a, b] = [given.toLowerCase(), known.toLowerCase()];
  if (`${a}ms` === b) return given.length === 0 ? 9 : 1;
  const [left, right] = [Array.from(a), Array.from(b)];
  let before: number[] = [];
  let row = [...right.keys(), right.length];
  for (const [i, letter] of left.entries()) {
    const next = [i + 1];
    for (const [j, other] of right.entries()) {
      const swapped = i > 0 && j > 0 && letter === right[j - 1] && left[i - 1] === other;
      next.push(
        Math.min(
          (next[j] ?? 0) + 1,
          (row[j + 1] ?? 0) + 1,
          (row[j] ?? 0) + (letter === other ? 0 : 1),
          swapped ? (before[j - 1] ?? 0) + 1 : Infinity,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row.at(-1) ?? 0;
}
