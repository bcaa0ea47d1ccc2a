/** Node-API 10, which the embedded database needs, came with 22.14 and 23.6. */
export function nodeProblem(version: string): string | undefined {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  const enough = major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 14);
  return enough ? undefined : `needs Node 22.14 or newer, or 23.6 or newer; this is ${version}`;
}
