/** docs/notices.md names every member that a webhook's body has, and no other; members are taken from what the code sends. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { effectivePolicy, foldSighting, planRotation } from "@keyover/core";
import { expect, test } from "vitest";
import { Secret } from "../packages/server/src/custody/secret.ts";
import { detailMembers } from "../packages/server/src/notices/details.test-support.ts";
import { gatherNoticeFacts } from "../packages/server/src/notices/facts.ts";
import { AT, aChannel, plausible } from "../packages/server/src/notices/notices.test-support.ts";
import { createSend, publicBases } from "../packages/server/src/notices/senders.ts";
import { noticeEvents, type RaisedEvent } from "../packages/server/src/store/notice-entities.ts";
import type { Store } from "../packages/server/src/store/store.ts";

const page = readFileSync(join(import.meta.dirname, "../docs/notices.md"), "utf8");

/** Rows of the table under a heading: what is in backticks in each cell, and the cells. */
function rowsUnder(heading: string): { names: string[]; cells: string[] }[] {
  const section = page.split(`\n${heading}\n`)[1]?.split(/\n#+ /)[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => {
    const cells = line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    return { names: [...(cells[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name as string), cells };
  });
}

const namedUnder = (heading: string) => rowsUnder(heading).flatMap(({ names }) => names);

/** The facts as they are gathered: around a rotation whose old version somebody uses. */
async function facts(raised: RaisedEvent) {
  const policy = effectivePolicy({});
  const start = { id: "rot_1", keyId: "key_1", apiId: "api_1", from: 1, to: 2, reason: "", startedBy: "tok_1" };
  const rotation = planRotation({ ...start, policy, origin: "authority" }, AT);
  const source = { network: "203.0.113.0/24", client: "bot/1", instance: "" };
  const seen = { key: "key_1", version: 1, source, first: AT, last: AT, accepted: 1, refused: 0, longestGapMs: 0 };
  const rows: Record<string, object> = {
    rotation,
    key: { id: "key_1", name: "bot", environment: "live" },
    consumer: { id: "con_1", name: "desk" },
    api: { id: "api_1", name: "market" },
  };
  const store = {
    get: async (table: string) => ({ value: rows[table], rev: 1 }),
    uses: async () => [foldSighting(undefined, seen)],
  };
  return gatherNoticeFacts(store as unknown as Store, raised);
}

/** A webhook's body. */
async function bodyOf(events: readonly RaisedEvent[], after: string | null = null): Promise<Record<string, unknown>> {
  let body = "";
  const post = async (sent: { body: string }) => {
    body = sent.body;
    return { status: 204, retryAfter: undefined, body: "" };
  };
  const channel = aChannel({ kind: "webhook", config: { url: "https://hooks.example/" } });
  const outgoing = { id: "ntc_1", channel, secrets: [new Secret("whsec_AAAA")], recipient: null, after, events };
  await createSend({ egress: { post }, mailer: undefined, bases: publicBases })(
    outgoing,
    AT,
    new AbortController().signal,
  );
  return JSON.parse(body);
}

/** `state.phase`, `users[].network`; what `details` holds is the events' own. */
function membersOf(value: object, before = ""): string[] {
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    if (name === "details" || member === null || typeof member !== "object") return [before + name];
    if (!Array.isArray(member)) return membersOf(member, `${before}${name}.`);
    return membersOf(member[0] as object, `${before}${name}[].`);
  });
}

test("every member of an event's data, and of what is around it", async () => {
  const raised = plausible("rotation.offered");
  const { type, data, ...envelope } = await bodyOf([{ ...raised, facts: await facts(raised) }], "ntc_0");
  expect([type, Object.keys(envelope)]).toEqual(["rotation.offered", ["timestamp"]]);
  expect(namedUnder("### An event's data").toSorted()).toEqual(membersOf(data as object).toSorted());
});

test("digests and tests", async () => {
  const events = [plausible("rotation.offered"), plausible("key.idle")];
  const digest = await bodyOf(events, "ntc_0");
  const trial = await bodyOf([]);
  const shown = [digest, trial].map(({ type, data }) => [type, Object.keys(data as object).toSorted()]);
  const said = rowsUnder("### Digests and tests").map(({ names: [type], cells }) => {
    const names = [...(cells[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
    return [type, names.toSorted()];
  });
  expect(said).toEqual(shown);
});

test("the details of every event", () => {
  const said = rowsUnder("### Details").map(({ names, cells }) => ({
    names,
    members: [...(cells[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name as string),
  }));
  const byEvent = Object.fromEntries(
    said.flatMap(({ names, members }) => names.map((name) => [name, members.toSorted()])),
  );
  expect(byEvent).toEqual(Object.fromEntries(noticeEvents.map((event) => [event, detailMembers[event].toSorted()])));
});

test("the body that is shown as an example has no other members", async () => {
  const example = /```json\n(\{\n {2}"type"[\s\S]*?)\n```/.exec(page)?.[1] ?? "";
  const { data, ...rest } = JSON.parse(example) as { data: Record<string, unknown> };
  expect(Object.keys(rest)).toEqual(["type", "timestamp"]);
  const known = new Set(namedUnder("### An event's data"));
  const names = Object.keys(data).filter((name) => name !== "users");
  for (const name of names)
    expect(
      [...known].some((each) => each === name || each.startsWith(`${name}.`)),
      name,
    ).toBe(true);
  expect(membersOf({ state: data.state as object }).filter((name) => !known.has(name))).toEqual([]);
});
