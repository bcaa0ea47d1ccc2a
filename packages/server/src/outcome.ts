/** What a command comes to: a value, or a refusal with a code from core's table. Exceptions are for what nobody foresaw. */
import type { ProblemCode } from "@keyover/core";

export interface Refusal {
  ok: false;
  code: ProblemCode;
  detail?: string | undefined;
  /** Further members of the problem document, such as the rotation that is in the way. */
  members?: Record<string, unknown> | undefined;
}

export type Outcome<T> = { ok: true; value: T } | Refusal;

export function accept<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

export function refuse(code: ProblemCode, detail?: string, members?: Record<string, unknown>): Refusal {
  return { ok: false, code, detail, members };
}
