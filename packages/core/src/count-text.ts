/** `1 key`, `2 keys`, `0 keys`: in sentences that people read. */
export function countText(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
