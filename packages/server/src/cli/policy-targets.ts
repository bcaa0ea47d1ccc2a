/** What a policy is attached to: named by options, shown with names. */
import type { AnswerOf, paths } from "@keyover/client/api";
import type { Call } from "./command-group.ts";
import { named } from "./entity-tables.ts";
import { UsageError } from "./exit-codes.ts";
import { type Names, namesOf } from "./names.ts";
import { clean } from "./render.ts";

export type Target = AnswerOf<paths["/v1/policies/{policy}"]["get"]>["attachments"][number]["target"];

export interface TargetOptions {
  api?: string;
  environment?: string;
  consumerLabel?: string;
  key?: string;
}

export async function targetOf(call: Call<TargetOptions>): Promise<Target> {
  const { api: named, environment, consumerLabel, key } = call.options;
  const kinds = [environment, consumerLabel, key].filter((each) => each !== undefined).length;
  if (kinds > 1 || (key !== undefined && named !== undefined) || (kinds === 0 && named === undefined))
    throw new UsageError("give --api, --api with --environment, --consumer-label, or --key");
  if (key !== undefined) return { kind: "key", key };
  const api =
    named === undefined ? null : (await call.api.request("get", "/v1/apis/{api}", { params: { api: named } })).id;
  if (consumerLabel !== undefined) {
    const equals = consumerLabel.indexOf("=");
    if (equals < 1)
      throw new UsageError(`--consumer-label takes name=value, such as team=desk; got "${consumerLabel}"`);
    return { kind: "label", name: consumerLabel.slice(0, equals), value: consumerLabel.slice(equals + 1), api };
  }
  if (api === null) throw new UsageError("--environment needs --api");
  return environment === undefined ? { kind: "api", api } : { kind: "environment", api, environment };
}

export function wantedOfTargets(targets: readonly Target[]): { apis: string[]; keys: string[] } {
  return {
    apis: targets.flatMap((target) => ("api" in target && target.api !== null ? [target.api] : [])),
    keys: targets.flatMap((target) => (target.kind === "key" ? [target.key] : [])),
  };
}

export function namesOfTargets(call: Call<object>, held: readonly { target: Target }[]): Promise<Names> {
  return namesOf(call, wantedOfTargets(held.map(({ target }) => target)));
}

export function targetText(target: Target, names: Names): string {
  switch (target.kind) {
    case "api":
      return `api ${names.api(target.api)}`;
    case "environment":
      return `environment ${clean(target.environment)} of api ${names.api(target.api)}`;
    case "label": {
      const where = target.api === null ? "" : `, in api ${names.api(target.api)}`;
      return `${clean(`consumers with ${target.name}=${target.value}`)}${where}`;
    }
    case "key":
      return `key ${named(names.key(target.key), target.key)}`;
  }
}
