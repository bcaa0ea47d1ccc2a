/** One call of the API: what it is named, who may make it, what goes in and out. */
import type { z } from "zod";
import type { Access } from "../auth.ts";
import { problem } from "../schemas.ts";

type Tag =
  | "apis"
  | "plans"
  | "consumers"
  | "keys"
  | "rotations"
  | "campaigns"
  | "policies"
  | "holder"
  | "tokens"
  | "custodians"
  | "notices"
  | "feed"
  | "operations";

export interface CallAbout {
  tag: Tag;
  id: string;
  summary: string;
  description?: string | undefined;
  access: Access;
}

/** The route options `schema` and `config`; shapes keep their types, so that the handler's request is typed by them. */
export function call<const S extends object, const R extends object>(about: CallAbout, shapes: S, response: R) {
  return {
    config: { access: about.access },
    schema: {
      tags: [about.tag],
      operationId: about.id,
      summary: about.summary,
      ...(about.description === undefined ? {} : { description: about.description }),
      security: securityOf(about.access),
      ...shapes,
      response: {
        ...response,
        "4xx": as("application/problem+json", problem, "Refused; `code` says why."),
        "5xx": as(
          "application/problem+json",
          problem,
          "Not done, for a reason of the server's: shutting down, disk full, a defect.",
        ),
      },
    },
  };
}

/** A response of another media type than plain JSON. */
export function as<T extends z.ZodType>(mediaType: string, schema: T, description: string) {
  return { description, content: { [mediaType]: { schema } } };
}

function securityOf(access: Access): Record<string, string[]>[] {
  if (access === "public") return [];
  const token = access.roles.length === 0 ? [] : [{ token: [] }];
  return access.key === true ? [...token, { key: [] }] : token;
}

/** Cuts a list that was read with one row too many into a page. */
export function page<T, V>(
  rows: readonly T[],
  limit: number,
  idOf: (row: T) => string,
  view: (row: T) => V,
): { items: V[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(view), next: rows.length > limit && last !== undefined ? idOf(last) : null };
}
