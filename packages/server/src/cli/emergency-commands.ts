/** `keyover emergency …`: many keys have leaked. One key: keyover key kill. */
import type { Command } from "commander";
import { keyCount, receiptText } from "./campaign-text.ts";
import { watchCampaign } from "./campaign-watch.ts";
import { calls, show } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { type Io, say, sayJson } from "./io.ts";
import { namesOf } from "./names.ts";
import { positive, present, several } from "./options.ts";
import { remarkPreview, showPreview } from "./preview.ts";
import { type SelectionOptions, selectionOf, selectionOptions } from "./selection-options.ts";

interface EmergencyOptions extends SelectionOptions {
  name?: string;
  reason: string;
  scope?: string[];
  network?: string[];
  yes?: boolean;
  /** `--no-wait`. */
  wait: boolean;
}

const ABOUT = {
  kill: "refuse every accepted version of the selected keys now, everywhere, and change over",
  contain: "fence every selected key to where it was always seen while its consumer changes over",
};

export function emergencyCommands(program: Command, io: Io): void {
  const group = program.command("emergency").description("many keys have leaked (one of them: keyover key kill)");
  for (const mode of ["kill", "contain"] as const) strikeCommand(group, io, mode);
}

function strikeCommand(group: Command, io: Io, mode: "kill" | "contain"): void {
  const command = selectionOptions(group.command(mode).description(ABOUT[mode]))
    .requiredOption("--reason <text>", "for the audit log: why")
    .option("--name <name>", "what to call it")
    .option("--dry-run", "change nothing; show what would be struck")
    .option("--expect <n>", "refused if more keys than this are selected", positive)
    .option("--no-wait", "do not wait for the receipt")
    .option("--yes", "do not look first, do not ask");
  if (mode === "contain")
    command
      .option("--scope <name>", "what they may still do; several times", several)
      .option("--network <cidr>", "where they may still come from; several times", several);
  calls<EmergencyOptions>(
    command,
    io,
    [
      `keyover emergency ${mode} --consumer-label partner=acme --created-before 2027-01-31T09:00Z --reason "acme was broken into" --dry-run`,
      `keyover emergency ${mode} --api market --reason "found in a public repository" --yes`,
    ],
    async (call) => {
      const { name, reason, scope, network, dryRun, expect, yes, wait } = call.options;
      const fence = present({ scopes: scope, networks: network });
      const body = {
        mode,
        reason,
        select: await selectionOf(call),
        ...present({ name, expect: expect === undefined ? undefined : { keys: expect } }),
        ...(Object.keys(fence).length === 0 ? {} : { fence }),
      };
      if (dryRun || !yes) {
        const preview = await call.api.request("post", "/v1/emergencies", { body: { ...body, dryRun: true } });
        if (!("dryRun" in preview)) throw new Error("the authority began what was only asked about");
        if (dryRun) return showPreview(call, preview, true);
        await remarkPreview(call, preview, true);
        await confirmOrStop(io, false, consequenceOf(mode, preview.selection.keys));
      }
      const begun = await call.api.request("post", "/v1/emergencies", { body });
      if ("dryRun" in begun) throw new Error("the authority began nothing");
      if (!wait) return show(call, begun, ({ id }) => `Begun. Follow it with: keyover campaign watch ${id}`);
      const quiet = { ...call, options: { ...call.options, json: false } };
      const ended = await watchCampaign(quiet, begun.id);
      if (call.options.json) return sayJson(io, ended);
      const { started, skipped, failed } = ended.keys;
      say(io, `${begun.id}: ${keyCount(started)} struck, ${skipped} skipped, ${failed} failed.`);
      const names = await namesOf(call, { apis: ended.receipts.map(({ api }) => api) });
      for (const receipt of ended.receipts) say(io, receiptText(receipt, names.api));
      if (skipped + failed > 0) say(io, `Why: keyover campaign report ${begun.id}`);
    },
  );
}

function consequenceOf(mode: "kill" | "contain", keys: number): string {
  return mode === "kill"
    ? `${keyCount(keys)} will be refused everywhere at once, whoever still uses them. There is no way back to these versions.`
    : `${keyCount(keys)} will be accepted only from where they were seen, or as you say, until their consumers have changed over.`;
}
