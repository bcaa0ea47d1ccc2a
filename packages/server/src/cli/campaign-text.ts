/** How campaigns look to a person. Pure. */
import type { AnswerOf, paths } from "@keyover/client/api";
import { keyName, type Names } from "./names.ts";
import { type Column, clean, count, fields, formatTime, moment, relative, roughly, table } from "./render.ts";

export type Standing = AnswerOf<paths["/v1/campaigns/{campaign}"]["get"]>;
export type Report = AnswerOf<paths["/v1/campaigns/{campaign}/report"]["get"]>;
export type CampaignRow = AnswerOf<paths["/v1/campaigns/{campaign}/pause"]["post"]>;
export type Preview = Extract<AnswerOf<paths["/v1/campaigns"]["post"]>, { dryRun: true }>;

export function keyCount(keys: number): string {
  return count(keys, "key");
}

export function campaignColumns(now: number): Column<CampaignRow>[] {
  return [
    { title: "HANDLE", of: (row) => row.id },
    { title: "NAME", of: (row) => row.name, flexible: true },
    { title: "ACTION", of: (row) => row.action },
    { title: "STATE", of: (row) => stateText(row) },
    { title: "WAVE", of: (row) => `${row.wave + 1}/${row.waveCount}` },
    { title: "STARTED", of: (row) => row.keys.started, right: true },
    { title: "WAITING", of: (row) => row.keys.waiting, right: true },
    { title: "BEGUN", of: (row) => relative(row.createdAt, now) },
  ];
}

function stateText({ state, outcome }: Pick<CampaignRow, "state" | "outcome">): string {
  return outcome === "aborted" ? "aborted" : state;
}

export function campaignText(row: CampaignRow, now: number): string {
  return fields(headOf(row, now));
}

function headOf(row: CampaignRow, now: number): [string, string | null][] {
  const { waiting, started, skipped, failed } = row.keys;
  const counts = [
    `${started} started`,
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(row.keys["rolled-back"] > 0 ? [`${row.keys["rolled-back"]} taken back`] : []),
  ];
  return [
    ["handle", row.id],
    ["name", clean(row.name)],
    ["action", row.action],
    ["state", stateText(row)],
    ...(row.why === null ? [] : [["because", `${clean(row.why.reason)} (${row.why.by})`] as [string, string]]),
    ...(row.takingBack === null ? [] : [["taking back", `wave ${row.takingBack.wave + 1}`] as [string, string]]),
    ["keys", `${counts.join(", ")}${row.selected ? "" : "; still selecting"}`],
    ["reason", clean(row.reason)],
    ["begun", `${moment(row.createdAt, now)} by ${row.startedBy}`],
    ...(row.endedAt === null ? [] : [["ended", moment(row.endedAt, now)] as [string, string]]),
  ];
}

export function standingText(standing: Standing, names: Names, now: number, width: number | undefined): string {
  const { waves, estimate, waitsFor, receipts, state } = standing;
  const head = headOf({ ...standing, waveCount: waves.length } as unknown as CampaignRow, now);
  if (waitsFor !== null) head.push(["waits for", waitsFor]);
  if (state !== "ended")
    head.push([
      "ends",
      `${estimate.endsAt === null ? "" : `${moment(estimate.endsAt, now)} at the earliest: `}${estimate.because}`,
    ]);
  const parts = [fields(head)];
  if (waves.length > 1 || standing.action === "rotate")
    parts.push(
      table(
        waves.map((wave, i) => ({ ...wave, i })),
        waveColumns(standing),
        width,
      ),
    );
  if (receipts.length > 0) parts.push(receipts.map((receipt) => receiptText(receipt, names.api)).join("\n"));
  return parts.join("\n\n");
}

type WaveRow = Standing["waves"][number] & { i: number };

function waveColumns({ wave: current, state }: Standing): Column<WaveRow>[] {
  const mark = ({ i }: WaveRow) => (i === current && state !== "ended" ? "▶" : " ");
  return [
    { title: "", of: mark },
    { title: "#", of: (wave) => wave.i + 1, right: true },
    { title: "WAVE", of: (wave) => wave.name, flexible: true },
    { title: "KEYS", of: ({ items }) => Object.values(items).reduce((sum, each) => sum + each, 0), right: true },
    { title: "STARTED", of: ({ items }) => items.started, right: true },
    { title: "OFFERED", of: ({ rotations }) => rotations.offered, right: true },
    { title: "CLAIMED", of: ({ rotations }) => rotations.claimed, right: true },
    { title: "RETIRED", of: ({ rotations }) => rotations.retired, right: true },
    { title: "SKIPPED", of: ({ items }) => items.skipped, right: true },
    { title: "FAILED", of: ({ items }) => items.failed, right: true },
    // Of what was started: rolled back or cancelled, whoever did it.
    { title: "BACK", of: ({ rotations }) => rotations.broken, right: true },
  ];
}

/** `refused on 14 of 14 verifiers at …`. */
export function receiptText(
  { api, applied, verifiers, behind, at }: Standing["receipts"][number],
  nameOf: (api: string) => string,
): string {
  const name = nameOf(api);
  if (verifiers === 0 && at !== null) return `${name}: no verifier runs; whoever starts one starts with it.`;
  const on = `${name}: in force on ${applied} of ${count(verifiers, "verifier")}`;
  if (at !== null) return `${on} at ${formatTime(at)}.`;
  if (behind.length === 0) return `${on}; the receipt is being written.`;
  const names = behind.slice(0, 5).map(({ instance }) => clean(instance));
  return `${on}; not yet on ${names.join(", ")}${behind.length > 5 ? ` and ${behind.length - 5} more` : ""}.`;
}

/** Of a preview, as many as are shown. */
export const SAMPLES = 10;

/** What changes from one look to the next, on one line. */
export function progressText(
  { state, keys, wave, waves, waitsFor, receipts, why }: Standing,
  nameOf: (api: string) => string,
): string {
  const of = Object.values(keys).reduce((sum, each) => sum + each, 0);
  const done = of - keys.waiting;
  const where = waves.length > 1 ? `wave ${wave + 1} of ${waves.length}, ` : "";
  const last = waves[wave]?.rotations;
  const parts = [`${state}: ${where}${done} of ${keyCount(of)} done`];
  if (last !== undefined && last.rotations > 0) parts.push(`${last.offered} of ${last.rotations} offered`);
  if (keys.skipped > 0) parts.push(`${keys.skipped} skipped`);
  if (keys.failed > 0) parts.push(`${keys.failed} failed`);
  if (waitsFor !== null) parts.push(`waits for ${waitsFor}`);
  if (state !== "ended")
    parts.push(...receipts.filter(({ at }) => at === null).map((receipt) => receiptText(receipt, nameOf)));
  if (why !== null) parts.push(clean(why.reason));
  return parts.join("; ");
}

export function reportText(report: Report, names: Names, now: number, width: number | undefined): string {
  const { refused, skipped, failed, tookMs } = report;
  const parts = [
    standingText(report, names, now, width),
    `${report.state === "ended" ? "Took" : "So far"} ${roughly(tookMs)}. Refused requests with versions that it retired: ${refused}.`,
  ];
  const list = (title: string, rows: Report["skipped"]) => {
    if (rows.length === 0) return;
    const lines = rows.map(({ key, why }) => {
      const name = names.key(key);
      return `  ${key}  ${name === undefined ? "" : `${name}  `}${clean(why ?? "")}`;
    });
    parts.push(`${title}:\n${lines.join("\n")}`);
  };
  list("Skipped", skipped);
  list("Failed", failed);
  return parts.join("\n\n");
}

export function previewText(preview: Preview, names: Names, strikes: boolean): string {
  const { selection, revoked, inRotation, suspended, expired, apis, environments, consumers, consumersTotal } = preview;
  const { waves, samples } = preview;
  const named = (rows: { name: string; keys: number }[]) => rows.map(({ name, keys }) => `  ${clean(name)}: ${keys}`);
  const also = [
    ...(inRotation > 0 ? [`${inRotation} in rotation`] : []),
    ...(suspended > 0 ? [`${suspended} suspended`] : []),
    ...(expired > 0 ? [`${expired} expired`] : []),
  ];
  const leftOut = `${revoked} revoked ${revoked === 1 ? "is" : "are"} left out`;
  const passed = strikes ? "" : `, which ${inRotation + suspended + expired === 1 ? "is" : "are"} passed over`;
  if (selection.keys === 0)
    return `No key is selected${revoked === 0 ? "" : `; ${leftOut}`}. See: keyover key list, keyover consumer list`;
  return [
    `${keyCount(selection.keys)}${also.length === 0 ? "" : ` (${also.join(", ")}${passed})`}; ${leftOut}.`,
    "By api:",
    ...named(apis),
    "By environment:",
    ...named(environments),
    `By consumer (${consumersTotal}):`,
    ...named(consumers),
    ...(consumersTotal > consumers.length ? [`  and ${consumersTotal - consumers.length} more`] : []),
    ...(waves.length > 1 ? ["By wave:", ...named(waves)] : []),
    "Such as:",
    ...samples
      .slice(0, SAMPLES)
      .map(
        ({ key, name, consumer, environment }) =>
          `  ${key}  ${keyName(names.consumer(consumer), name)} (${environment})`,
      ),
  ].join("\n");
}
