/** What refuses a key, or part of it: suspend, restore, revoke, and the emergency calls kill and contain. */
import type { Command } from "commander";
import { calls, show } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { fencesText } from "./entity-tables.ts";
import type { Io } from "./io.ts";
import { positive, present, several } from "./options.ts";
import { receipt } from "./receipt.ts";
import { rotationView, showKey } from "./show-entity.ts";

interface ReasonOptions {
  reason: string;
  yes?: boolean;
}

interface EmergencyOptions extends ReasonOptions {
  version?: number;
  scope?: string[];
  network?: string[];
}

const KEY = "handle, key_…";

export function keyRefusals(group: Command, io: Io): void {
  const withReason = (name: string, about: string) =>
    group
      .command(name)
      .argument("<key>", KEY)
      .description(about)
      .requiredOption("--reason <text>", "for the audit log: why");

  for (const [change, about] of [
    ["suspend", "refuse a key until it is restored"],
    ["restore", "accept a suspended key again"],
  ] as const) {
    calls<ReasonOptions, [string]>(
      withReason(change, about),
      io,
      [`keyover key ${change} key_… --reason "unpaid invoice 4711"`],
      async (call, key) => {
        const answer = await call.api.request("post", `/v1/keys/{key}/${change}`, {
          params: { key },
          body: { reason: call.options.reason },
        });
        await showKey(call, answer);
        await receipt(call, answer.api);
      },
    );
  }

  const revoke = withReason("revoke", "refuse a key for good").option("--yes", "do not ask");
  calls<ReasonOptions, [string]>(
    revoke,
    io,
    ['keyover key revoke key_… --reason "contract ended"'],
    async (call, key) => {
      await confirmOrStop(io, call.options.yes, `${key} will be refused everywhere, for good. It can't be restored.`);
      const answer = await call.api.request("post", "/v1/keys/{key}/revoke", {
        params: { key },
        body: { reason: call.options.reason },
      });
      await showKey(call, answer);
      await receipt(call, answer.api);
    },
  );

  emergency(
    withReason("kill", "emergency: a version has leaked; refuse it now, everywhere, and change over").option(
      "--yes",
      "do not ask",
    ),
    io,
    "kill",
  );
  emergency(
    withReason(
      "contain",
      "emergency: a version has leaked; fence it to where it was always seen while its consumer changes over",
    )
      .option("--scope <name>", "what it may still do; several times", several)
      .option("--network <cidr>", "where it may still come from; several times", several),
    io,
    "contain",
  );
}

function emergency(command: Command, io: Io, mode: "kill" | "contain"): void {
  command.option("--version <number>", "the version that leaked; needed while two are accepted", positive);
  calls<EmergencyOptions, [string]>(
    command,
    io,
    [`keyover key ${mode} key_… --reason "found in a public repository"`],
    async (call, key) => {
      const { reason, yes, version, scope, network } = call.options;
      const which = version === undefined ? "The accepted version" : `Version ${version}`;
      if (mode === "kill")
        await confirmOrStop(
          io,
          yes,
          `${which} of ${key} will be refused everywhere at once, whoever still uses it. There is no way back to it.`,
        );
      const fence = present({ scopes: scope, networks: network });
      const body = {
        mode,
        reason,
        ...present({ version, fence: Object.keys(fence).length === 0 ? undefined : fence }),
      };
      const answer = await call.api.request("post", "/v1/keys/{key}/emergency", { params: { key }, body });
      // Left to itself a fence is what was seen so far, which may be the thief, or nowhere at all: it is shown.
      const look = mode === "contain" && !call.options.json;
      const fenced = look ? fencesText(await call.api.request("get", "/v1/keys/{key}", { params: { key } })) : "";
      const nowhere = /\bfrom nowhere\b/.test(fenced) ? nowhereText(key, version ?? answer.from) : "";
      const follow = `Follow the change with: keyover watch ${answer.id}`;
      const text = await rotationView(call, answer);
      show(call, answer, () => [text, fenced, nowhere, follow].filter((part) => part !== "").join("\n\n"));
      await receipt(call, answer.api);
    },
  );
}

function nowhereText(key: string, version: number): string {
  return `It was seen from no network before, so nobody can use it until its consumer has the successor. To let somebody in:\n  keyover key contain ${key} --version ${version} --network … --reason …`;
}
