/** `keyover key usage`: who uses which version, from where, and how much. */
import { type Command, Option } from "commander";
import { calls, show } from "./command-group.ts";
import { type UsageAnswer, usageText } from "./entity-tables.ts";
import type { Io } from "./io.ts";
import { widthOf } from "./io.ts";
import { duration } from "./options.ts";
import { type Column, formatDuration, formatTime, table } from "./render.ts";

type Bucket = UsageAnswer["buckets"][number];

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Without `--last`. */
const USUAL = { minute: HOUR, day: 30 * DAY };

export function keyUsage(group: Command, io: Io): void {
  const usage = group
    .command("usage")
    .argument("<key>", "handle, key_…")
    .description("who uses which version, from where, how much")
    .option("--last <duration>", "count requests of this time (otherwise 1h; 30d by day)", duration)
    .addOption(new Option("--by <time>", "show the counts of each minute or day").choices(["minute", "day"]));
  calls<{ last?: number; by?: "minute" | "day" }, [string]>(
    usage,
    io,
    ["keyover key usage key_… --last 6h", "keyover key usage key_… --by day --last 90d"],
    async (call, key) => {
      const { by } = call.options;
      const last = call.options.last ?? (by === undefined ? HOUR : USUAL[by]);
      const query = { from: Math.max(0, call.now - last), by: by ?? finenessOf(last) };
      const answer = await call.api.request("get", "/v1/keys/{key}/usage", { params: { key }, query });
      show(call, answer, () =>
        [
          usageText(answer, call.now, widthOf(io)),
          sumLines(answer.buckets, last),
          by === undefined ? "" : table(answer.buckets, columns(by), widthOf(io)),
        ]
          .filter((part) => part !== "")
          .join("\n\n"),
      );
    },
  );
}

/** The finest that the authority answers for so long a time. */
function finenessOf(last: number): "10s" | "minute" | "day" {
  if (last < DAY) return "10s";
  return last < 2 * DAY ? "minute" : "day";
}

function sumLines(buckets: readonly Bucket[], last: number): string {
  const sums = new Map<number, { accepted: number; refused: number; limited: number }>();
  for (const { version, accepted, refused, limited } of buckets) {
    const sum = sums.get(version) ?? { accepted: 0, refused: 0, limited: 0 };
    sums.set(version, {
      accepted: sum.accepted + accepted - limited,
      refused: sum.refused + refused,
      limited: sum.limited + limited,
    });
  }
  return [...sums]
    .map(([version, { accepted, refused, limited }]) => {
      const over = limited === 0 ? "" : `, ${limited} refused for a limit`;
      return `Version ${version} in the last ${formatDuration(last)}: ${accepted} accepted, ${refused} refused${over}.`;
    })
    .join("\n");
}

function columns(by: "minute" | "day"): Column<Bucket>[] {
  return [
    {
      title: by === "day" ? "DAY (UTC)" : "MINUTE",
      of: ({ start }) => (by === "day" ? dayOf(start) : formatTime(start)),
    },
    { title: "VERSION", of: ({ version }) => version, right: true },
    { title: "ACCEPTED", of: ({ accepted, limited }) => accepted - limited, right: true },
    { title: "REFUSED", of: ({ refused }) => refused, right: true },
    { title: "OVER A LIMIT", of: ({ limited }) => limited, right: true },
  ];
}

function dayOf(start: number): string {
  return new Date(start).toISOString().slice(0, 10);
}
