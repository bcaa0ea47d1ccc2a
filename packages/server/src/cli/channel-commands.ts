/** `keyover channel …`: who is told of what, and how. A channel may be named by its handle or by its name. */
import type { AnswerOf, paths } from "@keyover/client/api";
import { type Command, Option } from "commander";
import { severities } from "../store/notice-entities.ts";
import { type Call, calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { consumerHandle } from "./consumer-commands.ts";
import { RefusedError, UsageError } from "./exit-codes.ts";
import { type Io, remark } from "./io.ts";
import { duration, type ListOptions, listOptions, present, refuseEmpty, several } from "./options.ts";
import { readPrivateFile } from "./private-file.ts";
import { type Column, clean, fields, formatDuration, moment } from "./render.ts";
import { keepSecret } from "./secret-file.ts";
import { shownOnce } from "./shown-once.ts";

type ChannelRow = AnswerOf<paths["/v1/channels/{channel}"]["get"]>;
type NewChannel = paths["/v1/channels"]["post"]["requestBody"]["content"]["application/json"];
type Target = NewChannel["target"];

interface SettingOptions {
  event?: string[];
  severity?: (typeof severities)[number];
  quiet?: string;
  digest?: number;
  escalate?: string;
  escalateAfter?: number;
}

interface TargetOptions {
  webhook?: string;
  email?: string[];
  slackUrlFile?: string;
  telegram?: string;
  botTokenFile?: string;
  pagerdutyKeyFile?: string;
}

export function channelCommands(program: Command, io: Io): void {
  const group = program.command("channel").description("who is told of what, and how");
  addCommand(group, io);
  listCommands(group, io);
  updateCommand(group, io);
  secretCommand(group, io);

  calls<object, [string]>(
    group.command("test").argument("<channel>", NAMED).description("send one message now, and say what came of it"),
    io,
    ["keyover channel test ops-hook"],
    async (call, named) => {
      const channel = await channelHandle(call, named);
      const answer = await call.api.request("post", "/v1/channels/{channel}/test", { params: { channel }, body: {} });
      show(call, answer, ({ delivered, status, error, tookMs, notice }) =>
        fields([
          ["delivered", delivered ? "yes" : "no"],
          ["answer", status],
          ["reason", error],
          ["took", formatDuration(tookMs)],
          ["notice", notice],
        ]),
      );
      if (!answer.delivered) throw new RefusedError("the message did not arrive");
    },
  );

  const remove = group
    .command("remove")
    .argument("<channel>", NAMED)
    .description("remove a channel; what still waits for it becomes dead")
    .option("--force", "though channels escalate to it, or policies name it")
    .option("--yes", "do not ask");
  calls<{ yes?: boolean; force?: boolean }, [string]>(
    remove,
    io,
    ["keyover channel remove old-hook"],
    async (call, named) => {
      const { yes, force } = call.options;
      const channel = await channelHandle(call, named);
      await confirmOrStop(io, yes, `Nobody will be told through ${named} any more.`);
      const query = { force: force ? ("true" as const) : ("false" as const) };
      const answer = await call.api.request("delete", "/v1/channels/{channel}", { params: { channel }, query });
      warn(io, answer);
      show(call, answer, (removed) => `Removed ${removed.name} (${removed.id}).`);
    },
  );
}

const NAMED = "name or handle";

function warn(io: Io, { warnings }: { warnings: string[] }): void {
  for (const warning of warnings) remark(io, `warning: ${clean(warning)}, which reaches nobody from now on.`);
}

function addCommand(group: Command, io: Io): void {
  const add = settingOptions(
    targetOptions(
      group
        .command("add")
        .argument("<name>")
        .description("tell somebody; a webhook's signing secret is shown this once"),
    ),
  )
    .option(
      "--consumer <consumer>",
      "whose, name or handle: it is told what concerns that consumer (otherwise the operators')",
    )
    .option("--secret-file <file>", "write a webhook's signing secret there, mode 0600, instead of showing it");
  calls<SettingOptions & TargetOptions & { consumer?: string; secretFile?: string }, [string]>(
    add,
    io,
    [
      "keyover channel add ops-hook --webhook https://ops.example.com/keyover --secret-file ops-hook.secret",
      "keyover channel add acme --email bots@acme.example --consumer acme-bot --event 'rotation.*' --quiet 22:00-07:00@Europe/Berlin",
      "keyover channel add on-call --pagerduty-key-file pagerduty.key --severity warning",
    ],
    async (call, name) => {
      const { consumer, secretFile } = call.options;
      const target = targetOf(call.options);
      if (target === undefined)
        throw new UsageError("say where to: --webhook, --email, --slack-url-file, … (see --help)");
      const body = {
        name,
        target,
        ...(await settingsOf(call)),
        ...present({ consumer: consumer === undefined ? undefined : await consumerHandle(call, consumer) }),
      };
      const make = () => call.api.request("post", "/v1/channels", { body });
      const answer = await (target.kind === "webhook" ? keepSecret(io, secretFile, make) : make());
      const text = await channelText(call, answer);
      show(call, answer, ({ secret }) => shownOnce(io, text, secret));
    },
  );
}

function listCommands(group: Command, io: Io): void {
  const list = listOptions(group.command("list").description("list channels")).option(
    "--consumer <consumer>",
    "only of this consumer, name or handle",
  );
  calls<ListOptions & { consumer?: string }>(list, io, ["keyover channel list"], async (call) => {
    const { consumer, limit } = call.options;
    const filter = present({ consumer: consumer === undefined ? undefined : await consumerHandle(call, consumer) });
    const page = await everything(
      (query) => call.api.request("get", "/v1/channels", { query: { ...query, ...filter } }),
      limit,
    );
    showList(call, page, channelColumns, "There is no channel: nobody is told anything.");
  });

  calls<object, [string]>(
    group.command("show").argument("<channel>", NAMED).description("show a channel"),
    io,
    ["keyover channel show ops-hook"],
    async (call, named) => {
      const channel = await channelHandle(call, named);
      const answer = await call.api.request("get", "/v1/channels/{channel}", { params: { channel } });
      const text = await channelText(call, answer);
      show(call, answer, () => text);
    },
  );
}

function updateCommand(group: Command, io: Io): void {
  const update = settingOptions(
    targetOptions(group.command("update").argument("<channel>", NAMED).description("change a channel")),
  )
    .option("--name <name>", "the new name")
    .option("--no-quiet", "no quiet hours")
    .option("--no-escalate", "to no other channel")
    .option("--enable", "use it again")
    .option("--disable", "send nothing over it")
    .option("--force", "disable or rename it though channels escalate to it, or policies name it");
  calls<Omit<SettingOptions, "quiet" | "escalate"> & TargetOptions & UpdateOptions, [string]>(
    update,
    io,
    ["keyover channel update ops-hook --severity warning", "keyover channel update ops-hook --enable"],
    async (call, named) => {
      const { quiet, escalate, ...rest } = call.options;
      const { name, enable, disable, force } = rest;
      if (enable && disable) throw new UsageError("--enable and --disable exclude each other");
      const set = {
        ...(typeof quiet === "string" ? { quiet } : {}),
        ...(typeof escalate === "string" ? { escalate } : {}),
      };
      const settings = await settingsOf({ ...call, options: { ...rest, ...set } });
      const body = {
        ...settings,
        ...present({ name, target: targetOf(call.options), enabled: enable ? true : disable ? false : undefined }),
        ...(quiet === false ? { quiet: null } : {}),
        ...(escalate === false ? { escalate: null } : {}),
      };
      refuseEmpty(body);
      const params = { channel: await channelHandle(call, named) };
      const forced = { ...body, force: force === true };
      const answer = await call.api.request("patch", "/v1/channels/{channel}", { params, body: forced });
      warn(io, answer);
      const text = await channelText(call, answer);
      show(call, answer, () => text);
    },
  );
}

interface UpdateOptions {
  name?: string;
  quiet?: string | false;
  escalate?: string | false;
  enable?: boolean;
  disable?: boolean;
  force?: boolean;
}

function secretCommand(group: Command, io: Io): void {
  const rotate = group
    .command("rotate-secret")
    .argument("<channel>", NAMED)
    .description("a new signing secret for a webhook; deliveries are signed with both until the old one ends")
    .option("--keep-old <duration>", "how long the old one is used too (otherwise 7d)", duration)
    .option("--end-old", "no new secret: end the old one now, because the receiver has the new one")
    .option("--secret-file <file>", "write the new secret there, mode 0600, instead of showing it");
  calls<{ keepOld?: number; endOld?: boolean; secretFile?: string }, [string]>(
    rotate,
    io,
    [
      "keyover channel rotate-secret ops-hook --secret-file ops-hook.new",
      "keyover channel rotate-secret ops-hook --end-old",
    ],
    async (call, named) => {
      const { keepOld, endOld, secretFile } = call.options;
      const channel = await channelHandle(call, named);
      if (endOld) {
        if (keepOld !== undefined) throw new UsageError("--end-old and --keep-old exclude each other");
        const path = "/v1/channels/{channel}/end-old-secret";
        const answer = await call.api.request("post", path, { params: { channel }, body: {} });
        const text = await channelText(call, answer);
        return show(call, answer, () => text);
      }
      const body = present({ keepOldMs: keepOld });
      const make = () =>
        call.api.request("post", "/v1/channels/{channel}/rotate-secret", { params: { channel }, body });
      const answer = await keepSecret(io, secretFile, make);
      const text = await channelText(call, answer);
      show(call, answer, ({ secret }) => shownOnce(io, text, secret));
    },
  );
}

function settingOptions(command: Command): Command {
  return command
    .option(
      "--event <pattern>",
      "which events, such as 'rotation.*'; several times (otherwise all); none: only what policies and other channels send it",
      several,
    )
    .addOption(new Option("--severity <severity>", "nothing below this").choices(severities))
    .option("--quiet <hours>", "only urgent notices in these hours: 22:00-07:00@Europe/Berlin")
    .option("--digest <duration>", "notices of so long become one message; 0: each is one", duration)
    .option("--escalate <channel>", "where an event that nobody acknowledges goes, name or handle")
    .option("--escalate-after <duration>", "after how long (otherwise 1h)", duration);
}

function targetOptions(command: Command): Command {
  return command
    .option("--webhook <url>", "a webhook (Standard Webhooks)")
    .option("--email <address>", "by mail; several times", several)
    .option("--slack-url-file <file>", "Slack: a file, readable by you alone, with the incoming webhook's URL")
    .option("--telegram <chat>", "Telegram: the chat, with --bot-token-file")
    .option("--bot-token-file <file>", "Telegram: a file, readable by you alone, with the bot's token")
    .option("--pagerduty-key-file <file>", "PagerDuty: a file, readable by you alone, with the integration key");
}

function targetOf(options: TargetOptions): Target | undefined {
  const { webhook, email, slackUrlFile, telegram, botTokenFile, pagerdutyKeyFile } = options;
  const read = (path: string, what: string) => readPrivateFile(path, what).trim();
  if ((telegram === undefined) !== (botTokenFile === undefined))
    throw new UsageError("--telegram and --bot-token-file go together; give both");
  const targets: (Target | undefined)[] = [
    webhook === undefined ? undefined : { kind: "webhook", url: webhook },
    email === undefined ? undefined : { kind: "email", to: email },
    slackUrlFile === undefined ? undefined : { kind: "slack", url: read(slackUrlFile, "Slack URL file") },
    telegram === undefined || botTokenFile === undefined
      ? undefined
      : { kind: "telegram", chat: telegram, token: read(botTokenFile, "bot token file") },
    pagerdutyKeyFile === undefined
      ? undefined
      : { kind: "pagerduty", key: read(pagerdutyKeyFile, "PagerDuty key file") },
  ];
  const given = targets.filter((target) => target !== undefined);
  if (given.length > 1) throw new UsageError("a channel leads to one place; make one for each");
  return given[0];
}

async function settingsOf(call: Call<SettingOptions>) {
  const { event, severity, quiet, digest, escalate, escalateAfter } = call.options;
  if (escalateAfter !== undefined && escalate === undefined) throw new UsageError("--escalate-after needs --escalate");
  return present({
    events: event?.length === 1 && event[0] === "none" ? [] : event,
    severity,
    quiet: quiet === undefined ? undefined : quietOf(quiet),
    digestMs: digest,
    escalate:
      escalate === undefined
        ? undefined
        : { channel: await channelHandle(call, escalate), afterMs: escalateAfter ?? ESCALATE_AFTER_MS },
  });
}

const ESCALATE_AFTER_MS = 3_600_000;

function quietOf(text: string) {
  const match = /^(\d\d:\d\d)-(\d\d:\d\d)@(\S+)$/.exec(text);
  if (match === null)
    throw new UsageError(`--quiet takes from-to@zone, such as 22:00-07:00@Europe/Berlin; got "${text}"`);
  const [, from = "", to = "", zone = ""] = match;
  return { from, to, zone };
}

/** The handle of a channel that was given by handle or by name. */
export async function channelHandle(call: Call<object>, named: string): Promise<string> {
  if (/^chn_[0-9A-Za-z]{22}$/.test(named)) return named;
  const { items } = await call.api.request("get", "/v1/channels", { query: { name: named, limit: 1 } });
  const [found] = items;
  if (found === undefined) throw new RefusedError(`there is no channel ${named}; keyover channel list shows all`);
  return found.id;
}

/** By handle. */
export async function channelNames(call: Call<object>): Promise<Map<string, string>> {
  const { items } = await everything((query) => call.api.request("get", "/v1/channels", { query }), undefined);
  return new Map(items.map(({ id, name }) => [id, name]));
}

const targetText = ({ url, to, chat }: ChannelRow) => url ?? to?.join(", ") ?? chat;

const channelColumns: Column<ChannelRow>[] = [
  { title: "HANDLE", of: (channel) => channel.id },
  { title: "NAME", of: (channel) => channel.name, flexible: true },
  { title: "KIND", of: (channel) => channel.kind },
  { title: "TO", of: targetText, flexible: true },
  { title: "CONSUMER", of: (channel) => channel.consumer },
  { title: "EVENTS", of: (channel) => channel.events.join(" ") || "none", flexible: true },
  { title: "FROM", of: (channel) => channel.severity },
  { title: "STATE", of: (channel) => (channel.disabledAt === null ? "on" : "disabled") },
];

async function channelText(call: Call<object>, channel: ChannelRow): Promise<string> {
  const { now } = call;
  const { quiet, escalate, signing } = channel;
  const next = escalate === null ? undefined : ((await channelNames(call)).get(escalate.channel) ?? escalate.channel);
  const secrets = signing.map(
    ({ version, retireAt }) => `${version}${retireAt === null ? "" : ` (until ${moment(retireAt, now)})`}`,
  );
  return fields([
    ["handle", channel.id],
    ["name", channel.name],
    ["kind", channel.kind],
    ["to", targetText(channel)],
    ["consumer", channel.consumer ?? "the operators"],
    [
      "events",
      channel.events.length === 0 ? "only what policies and other channels send it" : channel.events.join(", "),
    ],
    ["severity", `${channel.severity} and above`],
    ["quiet", quiet === null ? null : `${quiet.from} to ${quiet.to}, ${quiet.zone}`],
    ["digest", channel.digestMs === 0 ? "each by itself" : formatDuration(channel.digestMs)],
    ["escalates", escalate === null ? null : `to ${next} after ${formatDuration(escalate.afterMs)}`],
    ["signing secrets", secrets.join(", ")],
    ["state", channel.disabledAt === null ? "on" : `disabled: ${channel.disabledReason}`],
    ["created", `${moment(channel.createdAt, now)} by ${channel.createdBy}`],
  ]);
}
