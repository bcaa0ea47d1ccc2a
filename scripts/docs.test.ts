/**
 * The docs say what the code says: tables in docs/ are read as text and held equal to core's and the server's own, in both
 * directions, and every link and command in a Markdown file leads somewhere.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import {
  brownoutTimes,
  decide,
  defaultRotationPolicy,
  defaultStalenessPolicy,
  docsUrl,
  isFenced,
  judgeQuiet,
  makeKeyText,
  nextBrownout,
  phases,
  policyLimits,
  problems,
  type Rotation,
  type RotationEvent,
  type RotationEventType,
  ruleLimits,
  tallyGap,
  verdicts,
  watermark,
} from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type EventName, eventNamed, planned, START, testPolicy } from "../packages/core/src/rotation.test-world.ts";
import { createMetrics, type Gauges } from "../packages/server/src/http/metrics.ts";
import { openapiDocument } from "../packages/server/src/http/openapi.ts";
import type { Rooms } from "../packages/server/src/http/rooms.ts";
import { createHttp } from "../packages/server/src/http/server.ts";
import { eventKinds } from "../packages/server/src/notices/events.ts";
import { docsOf } from "../packages/server/src/notices/templates.ts";
import { roles } from "../packages/server/src/store/entities.ts";
import { noticeEvents } from "../packages/server/src/store/notice-entities.ts";

const root = dirname(import.meta.dirname);
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The rows of the first table under a heading, as cells without their backticks. */
function tableUnder(text: string, heading: string): string[][] {
  const lines = text.split("\n");
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`there is no heading "${heading}"`);
  const first = lines.findIndex((line, i) => i > start && line.startsWith("|"));
  const rows: string[][] = [];
  for (let i = first; i >= 0 && lines[i]?.startsWith("|"); i++) rows.push(cellsOf(lines[i] as string));
  return rows.filter((cells) => !cells.every((cell) => /^:?-+:?$/.test(cell)));
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|\s*$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("`", ""));
}

interface Parameter {
  in: string;
  name: string;
}

const paging = new Set(["cursor", "limit", "after"]);

const withoutAnchor = (cell = "") => cell.replace(/<a id="[^"]*"><\/a>/g, "");
const bodyOf = (rows: string[][]) => rows.slice(1);
const numberIn = (cell = "") => Number(/^-?[\d.]+/.exec(cell)?.[0] ?? Number.NaN);

describe("docs/errors.md", () => {
  const text = read("docs/errors.md");

  test("has every verdict with its status, public code and sentence, and no other", () => {
    const rows = bodyOf(tableUnder(text, "## Verdicts"));
    const shown = rows.map(([code, status, seen, sentence]) => [withoutAnchor(code), Number(status), seen, sentence]);
    const wanted = Object.entries(verdicts).map(([code, verdict]) => [
      code,
      verdict.status,
      verdict.public,
      verdict.text,
    ]);
    expect(shown).toEqual(wanted);
    for (const row of rows) expect(row.slice(4).filter((cell) => cell === "")).toEqual([]);
  });

  test("has every problem with its status and title, and no other", () => {
    const rows = bodyOf(tableUnder(text, "## Problems"));
    const shown = rows.map(([code, status, title]) => [withoutAnchor(code), Number(status), title]);
    expect(shown).toEqual(Object.entries(problems).map(([code, { status, title }]) => [code, status, title]));
    for (const row of rows) expect(row.slice(3).filter((cell) => cell === "")).toEqual([]);
  });

  test("has every code that a caller of the protected API sees, and no other", () => {
    const rows = bodyOf(tableUnder(text, "## What callers of your API see"));
    const seen = new Set<string>(Object.values(verdicts).map((verdict) => verdict.public));
    expect(rows.map(([code]) => withoutAnchor(code)).sort()).toEqual([...seen].sort());
  });

  test("is where each code's link leads", () => {
    const codes = [
      ...Object.values(verdicts).map((verdict) => verdict.public),
      ...Object.keys(verdicts),
      ...Object.keys(problems),
    ];
    const anchors = [...text.matchAll(/<a id="([^"]*)"><\/a>/g)].map((match) => match[1]);
    expect(new Set(anchors)).toEqual(new Set(codes));
    expect(anchors).toHaveLength(new Set(codes).size);
    expect(docsUrl("unknown_scope")).toMatch(/\/docs\/errors#unknown_scope$/);
  });
});

describe("docs/rotation.md", () => {
  const text = read("docs/rotation.md");

  test("has each member of both policies with default and limits", () => {
    const limits: Record<string, { min: number; max: number }> = { ...policyLimits, ...ruleLimits };
    const all = Object.entries({ ...defaultRotationPolicy, ...defaultStalenessPolicy }).flatMap(([member, value]) =>
      typeof value !== "object" || value === null || Array.isArray(value)
        ? [[member, value] as const]
        : Object.entries(value).map(([name, inner]) => [`${member}.${name}`, inner] as const),
    );
    const wanted = all.map(([member, value]) =>
      typeof value === "number"
        ? [member, value, limits[member]?.min, limits[member]?.max]
        : [member, Array.isArray(value) ? value.join(", ") : (value ?? "none")],
    );
    const rows = [
      ...bodyOf(tableUnder(text, "### The rotation's policy")),
      ...bodyOf(tableUnder(text, "### The verifiers' policy")),
    ];
    const numbers = new Set(all.flatMap(([member, value]) => (typeof value === "number" ? [member] : [])));
    const shown = rows.map(([member = "", value = "", min, max]) =>
      numbers.has(member) ? [member, numberIn(value), numberIn(min), numberIn(max)] : [member, value],
    );
    expect(shown).toEqual(wanted);
  });

  test("names each phase, in its table of phases and in the one of events", () => {
    expect(bodyOf(tableUnder(text, "## Phases")).map(([phase]) => phase)).toEqual([...phases]);
  });

  test("says of each event in each phase what `decide` does, all of it and nothing else", () => {
    const [head = [], ...rows] = tableUnder(text, "## Every event in every phase");
    const found = explore();
    const shown: Record<string, Record<string, string[]>> = {};
    for (const [event = "", ...cells] of rows) {
      shown[event] = Object.fromEntries(cells.map((cell, i) => [head[i + 1], cell.split("<br>").sort()]));
    }
    expect(shown).toEqual(found);
  }, 30_000);

  test("its example is calculated by the code", () => {
    const at = (iso: string) => Date.parse(iso);
    const coverage = { boot: "boo_3", instance: "api-3", closed: false, replacedAt: null, removedAt: null };
    const lost = {
      ...coverage,
      coveredTo: at("2026-03-03T10:00:00Z"),
      answersUntil: at("2026-03-03T10:00:00Z") + defaultStalenessPolicy.leaseMs + defaultStalenessPolicy.staticMs,
    };
    const use = (network: string, client: string, lastOnOld: string, lastSeen: string, longestGapMs: number) => ({
      source: { network, client, instance: "" },
      versions: {
        1: {
          first: at("2026-01-01T00:00:00Z"),
          last: at(lastOnOld),
          accepted: 1,
          refused: 0,
          refusedRun: { count: 0, since: 0 },
        },
      },
      lastSeen: at(lastSeen),
      longestGapMs,
      gaps: tallyGap([], longestGapMs, at("2026-03-01T00:00:00Z")),
      gapsSince: at("2026-01-01T00:00:00Z"),
    });
    const uses = [
      use("203.0.113.0/24", "acme-bot/2.1", "2026-03-02T09:41:07Z", "2026-03-04T09:00:00Z", 4_000),
      use("198.51.100.0/24", "curl/8.5.0", "2026-03-03T02:00:03Z", "2026-03-04T02:00:09Z", 86_412_000),
    ];
    const offeredAt = at("2026-03-02T09:00:00Z");
    const whole = judgeQuiet(1, uses, watermark([], at("2026-03-05T00:00:00Z")), offeredAt, defaultRotationPolicy);
    const holed = judgeQuiet(1, uses, watermark([lost], at("2026-03-05T00:00:00Z")), offeredAt, defaultRotationPolicy);
    const said = [whole, holed].flatMap((verdict) => [
      verdict.quietAt,
      ...verdict.sources.map((source) => source.quietAt),
    ]);
    for (const time of [...said, lost.answersUntil]) {
      expect(text).toContain(new Date(time).toISOString().replace("T", " ").replace(".000Z", ""));
    }
  });

  test("says of each invariant where it is enforced, and the tests that it quotes exist", () => {
    const rows = bodyOf(tableUnder(text, "## What must always hold"));
    const numbers = (letter: string, count: number) => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
    expect(rows.map(([id]) => id)).toEqual([...numbers("I", 19), ...numbers("L", 4)]);
    for (const [id, , where = "", tests = ""] of rows) {
      expect(where.length, id).toBeGreaterThan(5);
      for (const [, path = "", title] of tests.matchAll(/\]\(([^)#]+)\)(?::? "([^"]+)")?/g)) {
        const file = readFileSync(join(root, "docs", path), "utf8");
        if (title !== undefined) expect(file, `${id}: ${path}`).toContain(title);
      }
    }
  });
});

describe("docs/self-hosting.md", () => {
  const text = read("docs/self-hosting.md");

  test("lists every metric", () => {
    const none = async () => [];
    const gauges: Gauges = {
      rotations: async () => ({}),
      keys: async () => ({}),
      verifiers: none,
      watermarkLagSeconds: none,
      reconciling: none,
      notices: async () => ({ waiting: 0, dead: 0, oldestSeconds: 0 }),
      feedFollowers: () => 0,
      replicas: () => 1,
      shards: () => 16,
    };
    const names = createMetrics(gauges)
      .registry.getMetricsAsArray()
      .map((metric) => metric.name);
    expect(bodyOf(tableUnder(text, "## Metrics")).map(([name]) => name)).toEqual(names);
  });

  test("says which role may make which call", async () => {
    const rows = tableUnder(text, "## Tokens and roles");
    expect(rows[0]?.slice(1)).toEqual([...roles, "a key itself"]);
    const shown = Object.fromEntries(bodyOf(rows).map(([call, ...marks]) => [call, marks.map((mark) => mark !== "")]));
    expect(shown).toEqual(await grants());
  });
});

describe("docs/api.md", () => {
  test("lists every filter of every list", async () => {
    const { paths } = (await openapiDocument()) as { paths: Record<string, { get?: { parameters?: Parameter[] } }> };
    const lists = Object.entries(paths).flatMap(([path, { get }]) => {
      const names = (get?.parameters ?? []).filter((parameter) => parameter.in === "query").map(({ name }) => name);
      return names.includes("limit")
        ? [[`GET ${path}`, names.filter((name) => !paging.has(name)).sort()] as const]
        : [];
    });
    const rows = bodyOf(tableUnder(read("docs/api.md"), "## Lists"));
    const named = (filters: string) => (filters.split(".")[0] as string).split(", ").filter((name) => name !== "");
    const shown = rows.map(([list, filters = ""]) => [list, named(filters).sort()]);
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(lists));
  });
});

test("docs/notices.md lists every event, with its severity and what it asks for, where its link leads", () => {
  const page = read("docs/notices.md");
  const rows = bodyOf(tableUnder(page, "## Events")).map(([name, ...cells]) => [withoutAnchor(name), ...cells]);
  expect(rows).toEqual(
    noticeEvents.map((event) => [event, eventKinds[event].severity, eventKinds[event].reaction ? "yes" : ""]),
  );
  for (const event of noticeEvents) expect(page).toContain(`<a id="${docsOf(event).split("#")[1]}"></a>`);
});

describe("every Markdown file", () => {
  const files = markdownFiles(root);

  test.each(files)("%s: its links lead somewhere, its `npm run` commands exist", (path) => {
    const text = read(path);
    expect(deadLinks(path, text)).toEqual([]);
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const commands = [...text.matchAll(/\bnpm run ([a-z][a-z0-9:-]*)/g)].map((match) => match[1] as string);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("a dead link, a dead anchor and a missing command are found", () => {
    const text =
      "[a](../nowhere.md) [b](../docs/errors.md#no_such_code) [c](https://example.com) [d](../docs/errors.md#unknown)";
    expect(deadLinks("docs/errors.md", text)).toEqual(["../nowhere.md", "../docs/errors.md#no_such_code"]);
  });
});

// ---- how the tables' other side is found out -------------------------------------------------------------------------

/** What stands for each type of event; a type that is missing does not compile. */
const events: Record<RotationEventType, ((rotation: Rotation, now: number) => RotationEvent)[]> = {
  begin: [named("begin")],
  acknowledged: [named("acknowledged")],
  used: [named("used")],
  assessed: [named("noise"), named("quiet")],
  claim: [named("claim")],
  confirm: [named("confirm")],
  extend: [named("extendOwn"), () => ({ type: "extend", byMs: 91 })],
  "move-deadline": [named("extend"), () => ({ type: "move-deadline", overlapEndsAt: 0 })],
  fence: [named("fence"), named("emptyFence")],
  browned: [named("browned")],
  refused: [named("refused"), named("fewRefused")],
  pause: [named("pause")],
  resume: [named("resume")],
  brownout: [named("brownout"), () => ({ type: "brownout", forMs: 1_000_000, by: "ana", reason: "" })],
  "end-brownout": [named("endBrownout")],
  "lift-fence": [named("liftFence")],
  retire: [named("retire")],
  rollback: [named("rollback")],
  cancel: [named("cancel")],
  compromise: [named("kill"), named("contain"), named("killSuccessor"), named("containSuccessor")],
  abandon: [named("abandon")],
};

function named(name: EventName): (rotation: Rotation, now: number) => RotationEvent {
  return (rotation, now) => eventNamed(name, rotation, now);
}

const limiting = {
  fence: { from: "offered" as const, afterMs: 0 },
  automaticRollback: { refusals: 5, sources: 2, coolDownMs: 0 },
};

/** Every outcome of every event in every phase, over all that can have happened before. */
function explore(): Record<string, Record<string, string[]>> {
  const found = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const waiting = [
    planned(),
    planned({ origin: "consumer" }),
    planned({ startsAt: START + 1_000 }),
    planned({ policy: { ...testPolicy, onDeadline: "retire" } }),
    planned({ policy: { ...testPolicy, ...limiting } }),
    planned({
      policy: { ...testPolicy, onDeadline: "brownout", brownout: { ...testPolicy.brownout, after: "retire" } },
    }),
  ].map((rotation) => ({ rotation, now: START }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { rotation, now } = next;
    const what = signature(rotation, now);
    if (seen.has(what)) continue;
    seen.add(what);
    for (const wait of [10, 50, 100, 400, 1_000]) waiting.push({ rotation, now: now + wait });
    for (const at of brownoutTimes(rotation)) if (at > now) waiting.push({ rotation, now: at });
    for (const [type, makes] of Object.entries(events)) {
      for (const make of makes) {
        const decision = decide(rotation, make(rotation, now), now);
        const cell = `${type} ${columnOf(rotation)}`;
        const outcomes = found.get(cell) ?? new Set();
        found.set(cell, outcomes.add(outcomeOf(rotation, decision)));
        if (decision.ok) waiting.push({ rotation: decision.next, now });
      }
    }
  }
  const columns = [...new Set([...found.keys()].map((cell) => cell.split(" ")[1] as string))];
  return Object.fromEntries(
    Object.keys(events).map((type) => [
      type,
      Object.fromEntries(columns.map((column) => [column, [...(found.get(`${type} ${column}`) ?? [])].sort()])),
    ]),
  );
}

function columnOf(rotation: Rotation): string {
  return rotation.endedAt === null ? rotation.phase : "(ended)";
}

function outcomeOf(rotation: Rotation, decision: ReturnType<typeof decide>): string {
  if (!decision.ok) return decision.code;
  const { next } = decision;
  if (next === rotation) return "=";
  const ended = next.endedAt !== null && next.phase === "rolled-back" ? ", ended" : "";
  return next.phase === rotation.phase && ended === "" ? "noted" : `→ ${next.phase}${ended}`;
}

/** What decisions depend on: which times are set, which are past. */
function signature(rotation: Rotation, now: number): string {
  const { policy, offeredAt, retiredAt, overlapEndsAt } = rotation;
  const past = (from: number | null, afterMs: number) => from !== null && now >= from + afterMs;
  const times = [
    now >= rotation.startsAt,
    past(offeredAt, policy.overlapMinMs),
    past(offeredAt, policy.claimMs + rotation.pausedMs),
    past(overlapEndsAt, 60),
    rotation.extendedMs > 0,
    past(overlapEndsAt, 0),
    past(retiredAt, policy.rollbackMs),
  ];
  const { brownouts, fenced: _fenced, ...others } = rotation;
  const { slots = [], announcedAt = null, stopped = null } = brownouts ?? {};
  const slot = nextBrownout(rotation);
  // Past the overlap nothing depends on what was refused in it.
  const limits = (rotation.phase === "offered" || rotation.phase === "overlapping") && [
    rotation.fenced?.lifted === null && isFenced(rotation),
    [announcedAt !== null, stopped !== null, slots.some(({ by, begunAt }) => by === "policy" && begunAt !== null)],
    slot && [slot.begunAt !== null, now >= slot.from, now >= slot.until, now + 20 > slot.from],
  ];
  const facts = Object.values(others).map((value) =>
    typeof value === "number" ? "set" : typeof value === "object" && value !== null ? "set" : value,
  );
  return JSON.stringify([facts, policy.onDeadline, policy.brownout.after, policy.fence !== null, times, limits]);
}

/** Calls each operation of the API as each role, and as a key, on a server without rooms: what is not forbidden gets past the door. */
async function grants(): Promise<Record<string, boolean[]>> {
  let role = "";
  const key = { id: "key_1", status: "active", networks: [], consumerId: "con_1" };
  const version = { keyId: "key_1", state: "active", compromised: false, fence: null };
  const rooms = {
    world: { clock: { now: () => 0, elapsed: () => 0, after: () => () => {} } },
    tokens: { authenticate: async () => ({ id: "tok_1", role, consumerId: null, apiIds: [], environments: [] }) },
    store: { list: async () => [{ value: version, rev: 1 }], get: async () => ({ value: key, rev: 1 }) },
    metrics: { httpSeconds: { observe: () => {} } },
    ready: () => true,
  };
  const app = await createHttp(rooms as unknown as Rooms, { logger: false, trustProxy: false });
  await app.ready();
  const { paths } = app.swagger() as unknown as {
    paths: Record<string, Record<string, { operationId: string; security: object[] }>>;
  };
  const zeros = (length: number) => new Uint8Array(length);
  const token = { authorization: `Bearer ${makeKeyText("kot", "admin", zeros)}` };
  const bearer = { authorization: `Bearer ${makeKeyText("mkt", "live", zeros)}` };
  const granted: Record<string, boolean[]> = {};
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { operationId, security }] of Object.entries(methods)) {
      const url = path.replaceAll(/\{[^}]+\}/g, "x_1");
      const opens = async (headers: Record<string, string>) => {
        const { statusCode, body } = await app.inject({ method: method.toUpperCase() as "GET", url, headers });
        const refused = statusCode === 401 || (statusCode === 403 && body.includes("this call is for"));
        return !refused;
      };
      if (security.length === 0) continue; // open to everybody
      expect(await opens({}), operationId).toBe(false);
      const marks: boolean[] = [];
      for (role of roles) marks.push(await opens(token));
      granted[operationId] = [...marks, await opens(bearer)];
    }
  }
  await app.close();
  return granted;
}

function markdownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || entry.name === "node_modules" || entry.name === "dist") return [];
    if (entry.isDirectory()) return markdownFiles(path);
    return entry.name.endsWith(".md") ? [relative(root, path)] : [];
  });
}

/** The relative links of a text that lead to no file, or to no heading or anchor of it. */
function deadLinks(path: string, text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [target = "", anchor] = link.split("#");
    const file = target === "" ? join(root, path) : join(root, dirname(path), target);
    if (!existsSync(file)) return true;
    return anchor !== undefined && !(statSync(file).isFile() && anchorsOf(readFileSync(file, "utf8")).has(anchor));
  });
}

/** As GitHub makes them: lower case, without punctuation, spaces as hyphens. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]*)"><\/a>/g)].map((match) => match[1] as string)]);
}
