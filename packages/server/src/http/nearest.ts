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

/** Letters to change, leave out or put in, whatever their case; a missing `Ms` costs one. */
export function distanceOf(given: string, known: string): number {
  // What is much longer is nothing that was misspelt; and nobody waits for it to be compared.
  if (given.length > 2 * known.length + 2) return given.length;
  const [a, b] = [given.toLowerCase(), known.toLowerCase()];
  if (`${a}ms` === b) return given.length === 0 ? 9 : 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries())
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row.at(-1) ?? 0;
}
