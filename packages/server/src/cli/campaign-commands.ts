/** `keyover campaign …`: rotate many keys in waves. */
import type { paths } from "@keyover/client/api";
import type { campaignStates } from "@keyover/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { campaignColumns, campaignText, keyCount, reportText, standingText } from "./campaign-text.ts";
import { watchCampaign } from "./campaign-watch.ts";
import { calls, nothing, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, widthOf } from "./io.ts";
import { namesOf } from "./names.ts";
import { duration, type ListOptions, listOptions, positive, present, several, whole } from "./options.ts";
import { remarkPreview, showPreview } from "./preview.ts";
import { type SelectionOptions, selectionOf, selectionOptions } from "./selection-options.ts";

type NewCampaign = paths["/v1/campaigns"]["post"]["requestBody"]["content"]["application/json"];
type WaveBody = NonNullable<NewCampaign["waves"]>[number];

interface StartOptions extends SelectionOptions {
  name: string;
  reason: string;
  canary?: string[];
  wave?: WaveBody[];
  offered?: number;
  claimed?: number;
  retired?: number;
  soak?: number;
  patience?: number;
  maxFailed?: number;
  maxRefused?: number;
  pace?: number;
  yes?: boolean;
  wait?: boolean;
}

const CAMPAIGN = "handle, cam_…";

export function campaignCommands(program: Command, io: Io): void {
  const group = program.command("campaign").description("many keys rotated in waves, with gates between them");
  startCommand(group, io);
  readCampaigns(group, io);
  steerCampaigns(group, io);
}

function startCommand(group: Command, io: Io): void {
  const command = selectionOptions(
    group
      .command("start")
      .description("rotate every key that the options select, each under its own policy")
      .requiredOption("--name <name>", "what to call it")
      .requiredOption("--reason <text>", "for the audit log: why"),
  )
    .option("--canary <key>", "in a first wave of its own, key_…; several times", several)
    .option(
      "--wave <keys>",
      "a wave: 10% (just so much of all selected, with the waves before, drawn at random), environment:test or consumer-label:region=eu; several times, in order. What no wave takes comes last",
      waves,
    )
    .option("--offered <percent>", "gate: of the wave's successors are on offer (otherwise 100)", percent)
    .option("--claimed <percent>", "gate: of them are claimed by their consumers (otherwise 0)", percent)
    .option("--retired <percent>", "gate: of the old versions have retired (otherwise 0)", percent)
    .option("--soak <duration>", "gate: and then so long", duration)
    .option("--patience <duration>", "held if a wave has not come through its gate in this time", duration)
    .option("--max-failed <n>", "held if more keys fail or are taken back (otherwise 10)", whole)
    .option(
      "--max-refused <n>",
      "held if more consumers see refusals of retired versions that they had used (otherwise 0)",
      whole,
    )
    .option("--pace <n>", "keys started in a second at most", positive)
    .option("--dry-run", "change nothing; show what would be selected")
    .option("--expect <n>", "refused if more keys than this are selected", positive)
    .option("--wait", "follow it until it ends, or needs somebody")
    .option("--yes", "do not ask");
  calls<StartOptions>(
    command,
    io,
    [
      'keyover campaign start --name spring --reason "yearly" --api market --dry-run',
      'keyover campaign start --name spring --reason "yearly" --api market --canary key_… --wave 5% --wave 25% --claimed 80 --soak 1h --expect 1200 --yes',
    ],
    async (call) => {
      const body = await bodyOf(call.options, () => selectionOf(call));
      const { dryRun, yes, wait } = call.options;
      if (dryRun || !yes) {
        const preview = await call.api.request("post", "/v1/campaigns", { body: { ...body, dryRun: true } });
        if (!("dryRun" in preview)) throw new Error("the authority began what was only asked about");
        if (dryRun) return showPreview(call, preview, false);
        await remarkPreview(call, preview, false);
        await confirmOrStop(io, false, `${keyCount(preview.selection.keys)} will be rotated.`);
        body.expect ??= preview.selection;
      }
      const begun = await call.api.request("post", "/v1/campaigns", { body });
      if ("dryRun" in begun) throw new Error("the authority began nothing");
      if (!wait) {
        const follow = `Follow it with: keyover campaign watch ${begun.id}`;
        return show(call, begun, (answer) => `${campaignText(answer, call.now)}\n\n${follow}`);
      }
      await watchCampaign(call, begun.id);
    },
  );
}

async function bodyOf(options: StartOptions, select: () => Promise<NewCampaign["select"]>): Promise<NewCampaign> {
  const { name, reason, canary, wave, pace, expect } = options;
  const { offered, claimed, retired, soak, patience, maxFailed, maxRefused } = options;
  const gate = present({ offered, claimed, retired, soakMs: soak, waitMs: patience });
  const limits = present({ failedMax: maxFailed, refusedMax: maxRefused });
  return {
    name,
    reason,
    select: await select(),
    waves: [...(canary === undefined ? [] : [{ keys: canary }]), ...(wave ?? [])],
    ...(Object.keys(gate).length === 0 ? {} : { gate }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...present({ pace, expect: expect === undefined ? undefined : { keys: expect } }),
  };
}

/** A share, 0 to 1. */
function percent(text: string): number {
  const value = Number(/^(\d{1,3}(?:\.\d{1,3})?)%?$/.exec(text)?.[1] ?? Number.NaN);
  if (!(value >= 0 && value <= 100)) throw new InvalidArgumentError("write a percentage from 0 to 100.");
  return value / 100;
}

function waves(text: string, before: WaveBody[] | undefined): WaveBody[] {
  return [...(before ?? []), waveOf(text)];
}

function waveOf(text: string): WaveBody {
  const share = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text);
  if (share !== null) {
    const percent = Number(share[1]);
    if (!(percent > 0 && percent <= 100)) throw new InvalidArgumentError("write a percentage above 0, up to 100%.");
    return { percent };
  }
  const environment = /^environment:(.+)$/.exec(text);
  if (environment !== null) return { environment: environment[1] as string };
  const label = /^consumer-label:([^=]+)=(.*)$/.exec(text);
  if (label !== null) return { consumerLabel: { name: label[1] as string, value: label[2] as string } };
  throw new InvalidArgumentError("write 10%, environment:test or consumer-label:region=eu.");
}

function readCampaigns(group: Command, io: Io): void {
  const list = group
    .command("list")
    .description("list campaigns and emergencies")
    .addOption(
      new Option("--state <state>", "only in this state").choices([
        "selecting",
        "running",
        "paused",
        "held",
        "ended",
      ] satisfies (typeof campaignStates)[number][]),
    );
  calls<ListOptions & { state?: (typeof campaignStates)[number] }>(
    listOptions(list),
    io,
    ["keyover campaign list --state held"],
    async (call) => {
      const { state, limit } = call.options;
      const page = await everything(
        (query) => call.api.request("get", "/v1/campaigns", { query: { ...query, ...present({ state }) } }),
        limit,
      );
      showList(
        call,
        page,
        campaignColumns(call.now),
        nothing("campaign", present({ state }), "keyover campaign start"),
      );
    },
  );

  calls<object, [string]>(
    group.command("show").argument("<campaign>", CAMPAIGN).description("how far a campaign is, wave by wave"),
    io,
    ["keyover campaign show cam_…"],
    async (call, campaign) => {
      const answer = await call.api.request("get", "/v1/campaigns/{campaign}", { params: { campaign } });
      const names = await namesOf(call, { apis: answer.receipts.map(({ api }) => api) });
      show(call, answer, () => standingText(answer, names, call.now, widthOf(io)));
    },
  );

  calls<object, [string]>(
    group
      .command("watch")
      .argument("<campaign>", CAMPAIGN)
      .description("follow a campaign until it ends; exit 1 if it is held, paused or aborted"),
    io,
    ["keyover campaign watch cam_…"],
    async (call, campaign) => {
      await watchCampaign(call, campaign);
    },
  );

  calls<object, [string]>(
    group
      .command("report")
      .argument("<campaign>", CAMPAIGN)
      .description("what has become of a campaign: keys, refusals, what was skipped and why"),
    io,
    ["keyover campaign report cam_…"],
    async (call, campaign) => {
      const answer = await call.api.request("get", "/v1/campaigns/{campaign}/report", { params: { campaign } });
      const names = await namesOf(call, {
        apis: answer.receipts.map(({ api }) => api),
        keys: [...answer.failed, ...answer.skipped].map(({ key }) => key),
      });
      show(call, answer, () => reportText(answer, names, call.now, widthOf(io)));
    },
  );
}

function steerCampaigns(group: Command, io: Io): void {
  const reasoned = [
    ["pause", "start no further key; rotations that run go on"],
    ["continue", "go on in spite of what holds it, or past the gate that it waits at"],
    ["abort", "end it; rotations that run go on"],
  ] as const;
  for (const [name, about] of reasoned) {
    const command = group
      .command(name)
      .argument("<campaign>", CAMPAIGN)
      .description(about)
      .requiredOption("--reason <text>", "for the audit log: why");
    calls<{ reason: string }, [string]>(
      command,
      io,
      [`keyover campaign ${name} cam_… --reason "support is asking"`],
      async (call, campaign) => {
        const body = { reason: call.options.reason };
        const answer = await call.api.request("post", `/v1/campaigns/{campaign}/${name}`, {
          params: { campaign },
          body,
        });
        show(call, answer, () => campaignText(answer, call.now));
      },
    );
  }

  calls<object, [string]>(
    group
      .command("resume")
      .argument("<campaign>", CAMPAIGN)
      .description("let a paused campaign go on; one that is held is looked at anew"),
    io,
    ["keyover campaign resume cam_…"],
    async (call, campaign) => {
      const answer = await call.api.request("post", "/v1/campaigns/{campaign}/resume", {
        params: { campaign },
        body: {},
      });
      show(call, answer, () => campaignText(answer, call.now));
    },
  );

  const back = group
    .command("roll-back")
    .argument("<campaign>", CAMPAIGN)
    .description("take every rotation of a wave back; the campaign is held meanwhile and afterwards")
    .option("--wave <number>", "from 1, as show numbers them (otherwise the one under way)", positive)
    .requiredOption("--reason <text>", "for the audit log: why")
    .option("--yes", "do not ask");
  calls<{ reason: string; wave?: number; yes?: boolean }, [string]>(
    back,
    io,
    ['keyover campaign roll-back cam_… --wave 2 --reason "the new release fails"'],
    async (call, campaign) => {
      const { reason, wave, yes } = call.options;
      const standing = await call.api.request("get", "/v1/campaigns/{campaign}", { params: { campaign } });
      const index = wave === undefined ? standing.wave : wave - 1;
      const started = standing.waves[index]?.items.started;
      if (started === undefined) throw new UsageError(`--wave takes 1 to ${standing.waves.length}`);
      await confirmOrStop(io, yes, `${keyCount(started)} will go back to the version before.`);
      const answer = await call.api.request("post", "/v1/campaigns/{campaign}/rollback-wave", {
        params: { campaign },
        body: { reason, wave: index },
      });
      show(call, answer, () => campaignText(answer, call.now));
    },
  );
}
