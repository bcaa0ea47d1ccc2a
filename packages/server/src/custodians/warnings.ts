/** What somebody should know before they act on it. */
import type { Reach } from "./reach.ts";

/** `asker`: the token that asks. */
export function reachWarnings({ who, tokens, secrets }: Reach, asker: string): string[] {
  const warnings: string[] = [];
  const made = tokens.filter(({ works, madeWith }) => works && madeWith !== null).length;
  if (tokens.some(({ token, madeWith }) => token.id === asker && madeWith === null))
    warnings.push(`${asker}, which asks, is theirs: it is left, and another administrator must revoke it`);
  if (made > 0)
    warnings.push(
      `${count(made, "token")} that they made for others still ${made === 1 ? "works" : "work"}: whoever has seen one can take the successors that it may take. Give their holders others, then revoke them`,
    );
  const unrotatable = secrets.filter(({ state, rotationId }) => state === "works" && rotationId !== null);
  if (unrotatable.length > 0)
    warnings.push(
      `${count(unrotatable.length, "secret")} that they have seen came, or come, by a rotation that has not ended: rotate passes over these keys, kill does not`,
    );
  const dormant = secrets.filter(({ state }) => state === "dormant").length;
  if (dormant > 0)
    warnings.push(
      `${count(dormant, "secret")} would work again if the key were restored or prolonged; rotate passes over it`,
    );
  if (who.consumers.length > 0 && secrets.some(({ state }) => state === "works"))
    warnings.push(
      "these are their own keys: with rotate they work on until a new token has taken the successors; for a partner that leaves, kill, or revoke the keys",
    );
  return warnings;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
