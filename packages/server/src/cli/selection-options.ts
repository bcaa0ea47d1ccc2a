/** Which keys a campaign or an emergency is about, as options. */
import type { paths } from "@keyover/client/api";
import type { Command } from "commander";
import type { Call } from "./command-group.ts";
import { consumerHandle } from "./consumer-commands.ts";
import { UsageError } from "./exit-codes.ts";
import { labelsOf, present, several } from "./options.ts";
import { parseTime } from "./render.ts";

export type Selection = paths["/v1/emergencies"]["post"]["requestBody"]["content"]["application/json"]["select"];

export interface SelectionOptions {
  api?: string[];
  environment?: string[];
  consumer?: string[];
  consumerLabel?: string[];
  label?: string[];
  key?: string[];
  createdBefore?: string;
  everything?: boolean;
  dryRun?: boolean;
  expect?: number;
}

/** All that is said must hold; of one option given several times, one. */
export function selectionOptions(command: Command): Command {
  return command
    .option("--api <api>", "keys of this api, by name or handle; several times: of one of them", several)
    .option("--environment <name>", "of this environment; several times", several)
    .option("--consumer <consumer>", "of this consumer, by name or handle; several times", several)
    .option(
      "--consumer-label <name=value>",
      "of consumers with this label, such as a partner's; all must hold",
      several,
    )
    .option("--label <name=value>", "keys with this label; all must hold", several)
    .option("--key <key>", "this key, key_…; several times", several)
    .option(
      "--created-before <time>",
      "an accepted version was made before then, such as 2027-01-31 or 2027-01-31T09:00Z",
    )
    .option("--everything", "every key there is");
}

export async function selectionOf(call: Call<SelectionOptions>): Promise<Selection> {
  const { api, environment, consumer, consumerLabel, label, key, createdBefore, everything } = call.options;
  const consumers: string[] = [];
  for (const named of consumer ?? []) consumers.push(await consumerHandle(call, named));
  const select = present({
    apis: api,
    environments: environment,
    consumers: consumer === undefined ? undefined : consumers,
    keys: key,
    consumerLabels: labelsOf(consumerLabel),
    keyLabels: labelsOf(label),
    createdBefore: createdBefore === undefined ? undefined : pastTime(createdBefore, call.now),
    everything: everything ? (true as const) : undefined,
  });
  if (everything && Object.keys(select).length > 1)
    throw new UsageError("--everything stands alone; leave it out to select some of the keys");
  if (Object.keys(select).length === 0)
    throw new UsageError(
      "say which keys: --api, --consumer-label, --created-before and so on (see --help), or --everything",
    );
  return select;
}

/** `90d` would be a time to come, and every version there is was made before that. */
function pastTime(text: string, now: number): number {
  const at = parseTime(text, now);
  if (at === undefined || at > now)
    throw new UsageError(
      `--created-before takes a time that has passed, such as 2027-01-31, "2027-01-31 09:00" or 2027-01-31T09:00:00Z; got "${text}"`,
    );
  return at;
}
