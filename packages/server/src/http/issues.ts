/** What zod finds wrong with a value, made plain: of a union, what is wrong with the form that the value comes nearest to. */
import type { z } from "zod";

type Issue = z.core.$ZodIssue;

export function plainIssues(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== "invalid_union") return [issue];
    const [nearest] = issue.errors.toSorted((a, b) => a.length - b.length);
    if (nearest === undefined) return [issue];
    return plainIssues(nearest.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })));
  });
}
