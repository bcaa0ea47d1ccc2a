/**
 * `keyover reconcile`: after a restore, shows what verifiers remember that the backup lacks, and puts one or the other into force.
 * Without a choice it only shows.
 */
import type { AnswerOf, paths } from "@keyover/client/api";
import { sleep } from "@keyover/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Call, calls } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { RefusedError, UsageError } from "./exit-codes.ts";
import { type Io, remark, say, sayJson, widthOf } from "./io.ts";
import { type Column, clean, count, moment, relative, table } from "./render.ts";

type Reconciliation = AnswerOf<paths["/v1/apis/{api}/reconciliation"]["get"]>;
type Difference = AnswerOf<paths["/v1/apis/{api}/reconciliation/keys"]["get"]>["items"][number];
type Side = "verifiers" | "backup";

interface KeyChoice {
  key: string;
  choose: Side;
  instance?: string;
}

interface ReconcileOptions {
  api?: string;
  choose?: Side;
  key?: KeyChoice[];
  revive?: boolean;
  reason?: string;
  yes?: boolean;
}

/** An api, as it stands, with what differs. */
interface Looked {
  name: string;
  reconciliation: Reconciliation;
  /** All keys that verifiers have told of. */
  keys: Difference[];
}

const DONE_WITHIN_MS = 600_000;
const LOOK_EVERY_MS = 500;

export function reconcileCommand(program: Command, io: Io): void {
  const command = program
    .command("reconcile")
    .description("after a restore: show what verifiers remember that the backup lacks, and choose what is in force")
    .option("--api <name>", "this api alone; otherwise all that wait")
    .addOption(
      new Option(
        "--choose <side>",
        "verifiers: what was in force before the restore (recommended); backup: what the restored database says",
      ).choices(["verifiers", "backup"]),
    )
    .option(
      "--key <key=side>",
      "something else for one key: key_…=backup, key_…=verifiers, or key_…=verifiers:<instance> where they contradict each other; several times",
      keyChoice,
    )
    .option("--revive", "with backup: also accept again what verifiers know to be compromised or revoked")
    .option("--reason <text>", "for the audit log: why; needed with --choose")
    .option("--yes", "do not ask");
  calls<ReconcileOptions>(
    command,
    io,
    ["keyover reconcile", 'keyover reconcile --api market --choose verifiers --reason "disk of 31 January lost"'],
    async (call) => {
      refuseContradiction(call.options);
      const all = await lookAtAll(call);
      const waiting = all.filter(
        ({ reconciliation }) => reconciliation.state === "held" || reconciliation.state === "late",
      );
      if (call.options.choose === undefined || waiting.length === 0) return showAll(call, all);
      await choose(call, waiting, call.options.choose);
    },
  );
}

function keyChoice(text: string, before: KeyChoice[] | undefined): KeyChoice[] {
  const [, key, side, instance] = /^(key_\w+)=(verifiers|backup)(?::(.+))?$/.exec(text) ?? [];
  if (key === undefined || side === undefined || (instance !== undefined && side === "backup"))
    throw new InvalidArgumentError("write key_…=backup, key_…=verifiers or key_…=verifiers:<instance>.");
  return [...(before ?? []), { key, choose: side as Side, ...(instance === undefined ? {} : { instance }) }];
}

function refuseContradiction({ choose, key, revive, reason, api }: ReconcileOptions): void {
  if (choose === undefined && (key !== undefined || revive || reason !== undefined))
    throw new UsageError("--key, --revive and --reason go with --choose");
  if (choose !== undefined && reason === undefined)
    throw new UsageError("--choose needs a --reason, for the audit log");
  if (revive && choose !== "backup") throw new UsageError("--revive goes with --choose backup");
  if (key !== undefined && api === undefined) throw new UsageError("--key needs --api: name the api of those keys");
}

async function lookAtAll(call: Call<ReconcileOptions>): Promise<Looked[]> {
  const wanted = call.options.api;
  const apis =
    wanted === undefined
      ? (await everything((query) => call.api.request("get", "/v1/apis", { query }), undefined)).items
      : [await call.api.request("get", "/v1/apis/{api}", { params: { api: wanted } })];
  const all: Looked[] = [];
  for (const { id, name } of apis) {
    const reconciliation = await call.api.request("get", "/v1/apis/{api}/reconciliation", { params: { api: id } });
    if (wanted === undefined && reconciliation.state === "never restored") continue;
    all.push({ name, reconciliation, keys: reconciliation.keys === 0 ? [] : await keysOf(call, id) });
  }
  return all;
}

async function keysOf(call: Call<object>, api: string): Promise<Difference[]> {
  const pageOf = (query: { limit: number; cursor?: string }) =>
    call.api.request("get", "/v1/apis/{api}/reconciliation/keys", { params: { api }, query });
  return (await everything(pageOf, undefined)).items;
}

// ---- showing ------------------------------------------------------------------------------------------------------------

function showAll(call: Call<object>, all: readonly Looked[]): void {
  if (call.options.json)
    sayJson(
      call.io,
      all.map(({ name, reconciliation, keys }) => ({ name, ...reconciliation, differences: keys.filter(differs) })),
    );
  else if (all.length === 0) say(call.io, "No api waits: the database was never restored.");
  else say(call.io, all.map((looked) => textOf(looked, call)).join("\n\n"));
}

function differs({ changes, contradicts }: Difference): boolean {
  return changes.length > 0 || contradicts.length > 0;
}

function textOf({ name, reconciliation, keys }: Looked, { io, now }: Call<object>): string {
  const { state, after, asOf, restoredAt, marks } = reconciliation;
  const width = widthOf(io);
  const lines = [`${clean(name)}: ${stateText(state)}`];
  if (restoredAt === null) return lines.join("\n");
  lines.push(
    `Restored ${moment(restoredAt, now)} as it was ${moment(asOf, now)}; its feed was at ${after}.`,
    "",
    marks.length === 0 ? "No verifier has been heard of since." : table(marks, markColumns(now), width),
    ...unheardLines(reconciliation),
  );
  if (state === "served" || state === "being carried out") return lines.join("\n");
  const shown = keys.filter(differs);
  if (shown.length === 0) lines.push("", "Nothing that verifiers remember differs from the backup.");
  else lines.push("", table(shown, differenceColumns, width));
  const contradictions = shown.filter(({ contradicts }) => contradicts.length > 0);
  for (const { key, instances, contradicts } of contradictions)
    lines.push(
      `${key}: ${[instances, ...contradicts.map((other) => other.instances)].map((names) => clean(names.join(", "))).join(" and ")} contradict each other.`,
    );
  lines.push("", `Then: keyover reconcile --api ${clean(name)} --choose verifiers --reason "…"`);
  return lines.join("\n");
}

function stateText(state: Reconciliation["state"]): string {
  const texts: Record<Reconciliation["state"], string> = {
    "never restored": "was never restored.",
    held: "is not served until you choose.",
    "being carried out": "what was chosen is being carried out.",
    served: "is served again.",
    late: "is served, but a verifier that came late knows more than was compared.",
  };
  return texts[state];
}

function markColumns(now: number): Column<Reconciliation["marks"][number]>[] {
  return [
    { title: "VERIFIER", of: (mark) => mark.instance, flexible: true },
    { title: "FOLLOWED TO", of: (mark) => mark.seq, right: true },
    { title: "HAS TOLD ALL", of: (mark) => (mark.complete ? "yes" : "not yet") },
    { title: "PASSED OVER", of: (mark) => mark.passedOver, right: true },
    { title: "HEARD", of: (mark) => relative(mark.at, now) },
    { title: "ENVIRONMENTS", of: (mark) => mark.environments.join(",") || "all", flexible: true },
  ];
}

const differenceColumns: Column<Difference>[] = [
  { title: "KEY", of: (difference) => difference.key },
  { title: "ENV", of: (difference) => difference.environment },
  { title: "BACKUP", of: ({ backup }) => (backup === null ? "–" : `${backup.status}, ${backup.current}`) },
  { title: "VERIFIERS", of: ({ verifiers }) => `${verifiers.status}, ${verifiers.current}` },
  { title: "SINCE THE BACKUP", of: ({ changes }) => changes.join("; "), flexible: true },
];

function unheardLines({ unheard, marks }: Reconciliation): string[] {
  const telling = marks.filter(({ complete }) => !complete).map(({ instance }) => instance);
  const names = unheard.map(({ instance }) => instance);
  return [
    ...(names.length === 0 ? [] : [`Not heard of since the restore: ${clean(names.join(", "))}.`]),
    ...(telling.length === 0 ? [] : [`Still telling: ${clean(telling.join(", "))}.`]),
  ];
}

// ---- choosing -----------------------------------------------------------------------------------------------------------

async function choose(call: Call<ReconcileOptions>, waiting: readonly Looked[], side: Side): Promise<void> {
  const { io, options } = call;
  for (const { name, reconciliation, keys } of waiting) {
    if (!options.json) remark(io, textOf({ name, reconciliation, keys }, call));
    await confirmOrStop(io, options.yes, consequenceOf({ name, reconciliation, keys }, side, options));
    const { api, seen } = reconciliation;
    const body = {
      choose: side,
      keys: options.key ?? [],
      revive: options.revive === true,
      reason: options.reason as string,
      seen,
    };
    await call.api.request("post", "/v1/apis/{api}/reconciliation", { params: { api }, body });
    const after = await untilServed(call, api);
    if (options.json) sayJson(io, { name, ...after });
    else
      say(
        io,
        `${clean(name)} is served again, with what ${side === "backup" ? "the backup says" : "verifiers remember"}.`,
      );
  }
}

function consequenceOf(
  { name, reconciliation, keys }: Looked,
  side: Side,
  { key = [], revive }: ReconcileOptions,
): string {
  const { unheard, marks } = reconciliation;
  const changed = keys.filter(differs).length;
  const missing = unheard.length + marks.filter(({ complete }) => !complete).length;
  const what =
    side === "verifiers"
      ? `${count(changed, "key")} of ${clean(name)} ${changed === 1 ? "becomes" : "become"} what verifiers remember.`
      : `${count(changed, "key")} of ${clean(name)} ${changed === 1 ? "stays as the backup has it" : "stay as the backup has them"}; what was made since is refused.`;
  return [
    what,
    ...(key.length === 0 ? [] : [`For ${count(key.length, "key")} you have said otherwise.`]),
    ...(revive ? ["Versions and keys that verifiers know to be compromised or revoked are ACCEPTED AGAIN."] : []),
    ...(missing === 0
      ? []
      : [
          `${count(missing, "verifier")} that may know more ${missing === 1 ? "has" : "have"} not told all; what only they know is not in it.`,
        ]),
  ].join(" ");
}

async function untilServed(call: Call<object>, api: string): Promise<Reconciliation> {
  const { clock } = call.io.world;
  const begun = clock.elapsed();
  for (;;) {
    const now = await call.api.request("get", "/v1/apis/{api}/reconciliation", { params: { api } });
    if (now.state !== "being carried out") return now;
    if (clock.elapsed() - begun > DONE_WITHIN_MS)
      throw new RefusedError(
        "the choice is on record and is still being carried out; look again with: keyover reconcile",
      );
    await sleep(clock, LOOK_EVERY_MS);
  }
}
