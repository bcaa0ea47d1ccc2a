/** `keyover notices …`: what was sent, what waits, what is dead. */
import type { AnswerOf, paths } from "@keyover/client/api";
import { type Command, Option } from "commander";
import { noticeStates } from "../store/notice-entities.ts";
import { channelHandle, channelNames } from "./channel-commands.ts";
import { type Call, calls, show, showList } from "./command-group.ts";
import { everything } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, remark } from "./io.ts";
import { type ListOptions, listOptions, present } from "./options.ts";
import { type Column, fields, moment, relative } from "./render.ts";

type NoticeRow = AnswerOf<paths["/v1/notices/{notice}/resend"]["post"]>;

export function noticeCommands(program: Command, io: Io): void {
  const group = program.command("notices").description("what was sent, what waits, what is dead");
  const list = (name: string, about: string) =>
    listOptions(group.command(name).description(about)).option(
      "--channel <channel>",
      "only of this channel, name or handle",
    );

  const listed = async (call: Call<ListOptions & { channel?: string }>, state: NoticeRow["state"] | undefined) => {
    const { channel, limit } = call.options;
    const filter = present({ state, channel: channel === undefined ? undefined : await channelHandle(call, channel) });
    return everything((query) => call.api.request("get", "/v1/notices", { query: { ...query, ...filter } }), limit);
  };

  calls<ListOptions & { channel?: string; state?: NoticeRow["state"] }>(
    list("list", "list notices").addOption(new Option("--state <state>", "only in this state").choices(noticeStates)),
    io,
    ["keyover notices list --state waiting"],
    async (call) =>
      showList(call, await listed(call, call.options.state), await noticeColumns(call), "No notice matches."),
  );

  calls<ListOptions & { channel?: string }>(
    list("dead", "list notices that could not be sent"),
    io,
    ["keyover notices dead --channel ops-hook"],
    async (call) => showList(call, await listed(call, "dead"), await noticeColumns(call), "No notice is dead."),
  );

  calls<object, [string]>(
    group.command("show").argument("<notice>", "handle, ntc_…").description("show a notice with its text"),
    io,
    ["keyover notices show ntc_…"],
    async (call, notice) => {
      const answer = await call.api.request("get", "/v1/notices/{notice}", { params: { notice } });
      show(call, answer, (found) => `${noticeText(found, call.now)}\n\n${found.subject}\n\n${found.text.trimEnd()}`);
    },
  );

  const resend = group
    .command("resend")
    .argument("[notice]", "handle, ntc_…")
    .description("send a notice again, under the same id")
    .option("--all-dead", "all that are dead")
    .option("--channel <channel>", "with --all-dead: only of this channel, name or handle");
  calls<{ allDead?: boolean; channel?: string }, [string]>(
    resend,
    io,
    ["keyover notices resend ntc_…", "keyover notices resend --all-dead --channel ops-hook"],
    async (call, named: string | undefined) => {
      if ((named === undefined) === (call.options.allDead !== true))
        throw new UsageError("name a notice, or say --all-dead");
      const again = (notice: string) =>
        call.api.request("post", "/v1/notices/{notice}/resend", { params: { notice }, body: {} });
      if (named !== undefined) return show(call, await again(named), (answer) => noticeText(answer, call.now));
      const { items } = await listed(call, "dead");
      for (const { id } of items) await again(id);
      remark(io, `${items.length === 1 ? "1 notice is" : `${items.length} notices are`} sent again.`);
      show(call, { count: items.length }, ({ count }) => String(count));
    },
  );

  calls<object, [string]>(
    group
      .command("acknowledge")
      .argument("<notice>", "handle, ntc_…")
      .description("say that somebody looks after it: it goes on to no other channel"),
    io,
    ["keyover notices acknowledge ntc_…"],
    async (call, notice) => {
      const path = "/v1/notices/{notice}/acknowledge";
      const answer = await call.api.request("post", path, { params: { notice }, body: {} });
      show(call, answer, (found) => noticeText(found, call.now));
    },
  );
}

async function noticeColumns(call: Call<object>): Promise<Column<NoticeRow>[]> {
  const names = await channelNames(call);
  const { now } = call;
  return [
    { title: "HANDLE", of: (notice) => notice.id },
    { title: "CHANNEL", of: (notice) => names.get(notice.channel) ?? notice.channel },
    { title: "TO", of: (notice) => notice.recipient, flexible: true },
    { title: "STATE", of: (notice) => notice.state },
    { title: "SEVERITY", of: (notice) => notice.severity },
    { title: "ABOUT", of: (notice) => (notice.events === 1 ? notice.about : `${notice.about} +${notice.events - 1}`) },
    { title: "CREATED", of: (notice) => relative(notice.createdAt, now) },
    { title: "DUE", of: (notice) => (notice.dueAt === null ? null : relative(notice.dueAt, now)) },
    { title: "TRIED", of: (notice) => notice.attempts, right: true },
    { title: "REASON", of: (notice) => notice.lastError, flexible: true },
  ];
}

function noticeText(notice: NoticeRow, now: number): string {
  return fields([
    ["handle", notice.id],
    ["channel", `${notice.channel} (${notice.kind})`],
    ["to", notice.recipient],
    ["state", notice.state],
    ["severity", notice.severity],
    ["about", notice.about],
    ["events", notice.events],
    ["created", moment(notice.createdAt, now)],
    ["due", moment(notice.dueAt, now)],
    ["tried", notice.attempts],
    ["reason", notice.lastError],
    ["sent", moment(notice.sentAt, now)],
    [
      "acknowledged",
      notice.acknowledgedAt === null ? "no" : `${moment(notice.acknowledgedAt, now)} by ${notice.acknowledgedBy}`,
    ],
    ["escalates", moment(notice.escalateAt, now)],
    ["came from", notice.escalatedFrom.join(", ")],
  ]);
}
