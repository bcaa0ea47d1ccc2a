/** Evidence as tables: the gates with the authority's own explanation, the sources, and what keeps the reports from being whole. */
import { type EvidenceAnswer, sourceName } from "./entity-tables.ts";
import { count, formatTime, moment, relative, roughly, table } from "./render.ts";

export function evidenceText(evidence: EvidenceAnswer, width: number | undefined): string {
  const { now, quiet, gates, waitingFor, shares, moved, forecast, refused } = evidence;
  const parts = [
    `${evidence.rotation} is ${evidence.phase}.`,
    gates.map((gate) => `${gate.met ? "✓" : "·"} ${gate.name}: ${inLocalTime(gate.explanation)}`).join("\n"),
  ];
  if (shares.length > 0) {
    parts.push(
      shares
        .map(
          ({ version, share, accepted, refused }) =>
            `Version ${version}: ${Math.round(share * 100)} % of the last minute (${accepted} accepted, ${refused} refused).`,
        )
        .join("\n"),
    );
  }
  if (waitingFor.length > 0) {
    parts.push(
      `Waits for verifiers:\n${waitingFor.map(({ instance, applied, needs, boot }) => `  ${instance} has applied ${applied} of ${needs} (${boot})`).join("\n")}`,
    );
  }
  if (quiet.sources.length > 0) {
    parts.push(
      table(
        quiet.sources,
        [
          { title: `SOURCE ON VERSION ${quiet.version}`, of: ({ source }) => sourceName(source), flexible: true },
          { title: "LAST SEEN", of: ({ lastSeen }) => relative(lastSeen, now) },
          {
            title: "USUAL GAP",
            of: ({ usual, young }) => `${roughly(usual.lengthMs)}${young ? "?" : ""}`,
            right: true,
          },
          { title: "QUIET", of: (source) => quietText(source, now) },
          { title: "MOVED", of: ({ moved }) => (moved ? "yes" : "no") },
        ],
        width,
      ),
      `${inLocalTime(moved.explanation)}.`,
    );
    if (quiet.sources.some(({ young }) => young))
      parts.push("?: known for less time than it must be silent; its rhythm may be longer.");
  }
  if (forecast !== null)
    parts.push(
      forecast.sources.length === 0 && forecast.chance === 0
        ? `Retiring now: ${forecast.how}.`
        : `Retiring now would refuse a genuine request with a chance of ${forecast.how}.`,
    );
  if (refused !== null && refused.total > 0)
    parts.push(
      `Refused since it retired: ${count(refused.total, "use")}, ${refused.known} of them by sources that had used it before.`,
    );
  parts.push(`Reports are whole up to ${moment(quiet.watermark, now)}.`);
  if (quiet.holes.length > 0) {
    parts.push(
      quiet.holes
        .map(
          ({ instance, from, to }) =>
            `Unknown: ${instance} reported nothing from ${formatTime(from)} to ${formatTime(to)}.`,
        )
        .join("\n"),
    );
  }
  return parts.join("\n\n");
}

/** When a source counts as quiet. One whose time is over still waits for the reports up to that time. */
export function quietText(source: { quiet: boolean; quietAt: number }, now: number): string {
  if (source.quiet) return "yes";
  return source.quietAt <= now ? "once reports are whole" : relative(source.quietAt, now);
}

/** The authority explains in UTC; a person at a terminal reads local time everywhere else. */
function inLocalTime(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (utc) => formatTime(Date.parse(utc)));
}
