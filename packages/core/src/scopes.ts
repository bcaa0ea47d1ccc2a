/**
 * Scopes: what a key may do. An api names them (`market:read`); a key is granted some, exactly or by a wildcard that
 * stands for one or more last segments (`market:*`, `*`). What is not granted is denied.
 */
const NAME = /^[a-z][a-z0-9_-]*(:[a-z0-9_-]+)*$/;
const LENGTH_MAX = 100;

/** Why `name` may not name a scope of an api, or undefined. */
export function scopeNameProblem(name: string): string | undefined {
  if (name.length > LENGTH_MAX) return `a scope's name has at most ${LENGTH_MAX} characters`;
  if (!NAME.test(name))
    return `"${name}" is no scope name; write lowercase segments joined by colons, such as market:read`;
  return undefined;
}

/** The grants that match none of the api's scopes: a spelling error, or a permission that does not exist. */
export function unknownGrants(grants: readonly string[], names: readonly string[]): string[] {
  return grants.filter((grant) => !names.some((name) => grantCovers(grant, name)));
}

/** True if the grants allow every one of `wanted` (concrete names, or grants that would have to be covered whole). */
export function covers(grants: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((want) => grants.some((grant) => grantCovers(grant, want)));
}

/** What both lists allow, as grants: of each pair of which one covers the other, the narrower. */
export function commonGrants(a: readonly string[], b: readonly string[]): string[] {
  const common = [...a.filter((grant) => covers(b, [grant])), ...b.filter((grant) => covers(a, [grant]))];
  return [...new Set(common)];
}

/** Grants prepared for the hot path: one Set look-up for exact names, a short walk for wildcards. */
export interface ScopeMatcher {
  allows(name: string): boolean;
}

export function compileScopes(grants: readonly string[]): ScopeMatcher {
  const exact = new Set(grants.filter((grant) => !isWildcard(grant)));
  const wildcards = grants.filter(isWildcard);
  return {
    allows(name) {
      if (exact.has(name)) return true;
      for (const wildcard of wildcards) if (grantCovers(wildcard, name)) return true;
      return false;
    },
  };
}

function isWildcard(grant: string): boolean {
  return grant === "*" || grant.endsWith(":*");
}

const PATTERN = /^[a-z*][a-z0-9_*-]*(:[a-z0-9_*-]+)*$/;

/** Why `pattern` can match no scope, or undefined. */
export function scopePatternProblem(pattern: string): string | undefined {
  if (pattern.length <= LENGTH_MAX && PATTERN.test(pattern)) return undefined;
  return `"${pattern}" is no pattern for scopes; write a scope's name, with * for any part of it, such as *:withdraw`;
}

/** `*` stands for any text, also for none and for colons. By hand: as a regular expression a row of stars would take for ever to fail. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return pattern === name;
  if (!name.startsWith(head)) return false;
  let at = head.length;
  // Each part at the first place where it fits: that leaves the most for those that follow.
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - tail.length >= at && name.endsWith(tail);
}

/** One grant against one name (or a narrower grant: `market:*` covers `market:trades:*`). */
function grantCovers(grant: string, name: string): boolean {
  if (grant === "*" || grant === name) return true;
  return grant.endsWith(":*") && name.length > grant.length - 1 && name.startsWith(grant.slice(0, -1));
}
