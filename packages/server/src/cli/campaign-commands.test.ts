/** `keyover campaign …` and `keyover emergency …` against a real authority. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { receiptText } from "./campaign-text.ts";
import { type Rig, startRig } from "./cli.test-world.ts";

interface Row {
  id: string;
  rotation: string | null;
}

let rig: Rig;
const keys: string[] = [];
beforeAll(async () => {
  rig = await startRig();
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  for (const [name, partner] of [
    ["acme-bot", "acme"],
    ["other-bot", "other"],
  ] as const)
    await rig.json("consumer", "create", name, "--label", `partner=${partner}`);
  for (let i = 0; i < 12; i++) {
    const consumer = i % 2 === 0 ? "acme-bot" : "other-bot";
    const environment = i < 4 ? "test" : "live";
    const named = ["--api", "market", "--environment", environment, "--consumer", consumer, "--scope", "market:read"];
    keys.push((await rig.json<Row>("key", "create", ...named, "--name", `bot ${i}`)).id);
  }
});
afterAll(() => rig.close());

const spring = ["campaign", "start", "--name", "spring", "--reason", "yearly"];
const rotating = async () =>
  (await rig.json<{ items: Row[] }>("key", "list")).items.filter(({ rotation }) => rotation !== null).length;

test("a dry run shows what would be selected, and changes nothing", async () => {
  const { code, out, err } = await rig.run([
    ...spring,
    "--api",
    "market",
    "--canary",
    keys[11] as string,
    "--wave",
    "environment:test",
    "--dry-run",
  ]);
  expect([code, err]).toEqual([0, ""]);
  for (const said of [
    "12 keys; 0 revoked",
    "market: 12",
    "live: 8",
    "acme-bot: 6",
    "1 canary: 1",
    "environment test: 4",
    "the rest: 7",
  ])
    expect(out).toContain(said);
  expect(await rotating()).toBe(0);
});

test("mistakes at the keyboard are named, and nothing begins", async () => {
  const cases: [args: string[], code: number, said: string][] = [
    [spring, 2, "say which keys"],
    [[...spring, "--api", "market"], 2, "12 keys will be rotated"],
    [[...spring, "--api", "market", "--wave", "half"], 2, "write 10%"],
    [[...spring, "--api", "market", "--wave", "110%"], 2, "above 0, up to 100%"],
    [[...spring, "--api", "market", "--claimed", "150"], 2, "a percentage"],
    [
      [...spring, "--api", "market", "--wave", "50%", "--wave", "20%", "--yes"],
      1,
      "percents are of all keys, and grow",
    ],
    [[...spring, "--api", "moon", "--yes"], 1, "there is no api moon"],
    [[...spring, "--consumer-label", "partner=nobody", "--dry-run"], 1, "No key is selected"],
    [[...spring, "--consumer-label", "partner=nobody", "--yes"], 1, "no key that is not revoked matches"],
    [[...spring, "--api", "market", "--expect", "5", "--yes"], 1, "more than the 5 keys"],
    [["emergency", "kill", "--reason", "leaked"], 2, "say which keys"],
    [["emergency", "kill", "--reason", "leaked", "--api", "market"], 2, "There is no way back"],
    [
      ["emergency", "kill", "--reason", "leaked", "--created-before", "lately", "--yes"],
      2,
      "--created-before takes a time",
    ],
    [["emergency", "kill", "--reason", "leaked", "--created-before", "90d", "--yes"], 2, "a time that has passed"],
    [["campaign", "show", "cam_none"], 1, "there is no campaign"],
  ];
  for (const [args, code, said] of cases) {
    const ran = await rig.run(args);
    expect([ran.code, ran.err], args.join(" ")).toEqual([code, expect.stringContaining(said)]);
  }
  expect(await rotating()).toBe(0);
});

test("waves are started, watched, paused, resumed, passed over, taken back and reported", async () => {
  const started = await rig.run([
    ...spring,
    "--api",
    "market",
    "--wave",
    "environment:test",
    "--claimed",
    "50%",
    "--yes",
  ]);
  expect(started.code, started.err).toBe(0);
  const [id = ""] = /cam_\w+/.exec(started.out) ?? [];
  await vi.waitFor(
    async () => expect((await rig.run(["campaign", "show", id])).out).toContain("0 of 4 claimed, 2 needed"),
    30_000,
  );
  const shown = await rig.run(["campaign", "show", id], { isTty: true, columns: 120 });
  for (const said of ["1  environment test", "2  the rest", "BACK", "▶", "8 waiting", "nobody knows"])
    expect(shown.out).toContain(said);
  expect((await rig.run(["campaign", "pause", id, "--reason", "lunch"])).out).toContain("because  lunch");
  const watched = await rig.run(["campaign", "watch", id]);
  expect([watched.code, watched.err]).toEqual([1, expect.stringContaining(`${id} is paused: lunch`)]);
  expect((await rig.run(["campaign", "resume", id])).out).toContain("running");
  expect((await rig.run(["campaign", "roll-back", id, "--wave", "9", "--reason", "bad"])).code).toBe(2);
  expect((await rig.run(["campaign", "roll-back", id, "--reason", "bad"])).err).toContain("4 keys will go back");
  expect((await rig.run(["campaign", "roll-back", id, "--reason", "bad", "--yes"])).out).toContain("held");
  await vi.waitFor(async () => expect((await rig.run(["campaign", "show", id])).out).toContain("4 taken back"), 30_000);
  expect((await rig.run(["campaign", "continue", id, "--reason", "mended"])).out).toContain("running");
  await vi.waitFor(
    async () => expect((await rig.run(["campaign", "show", id])).out).toContain("0 of 8 claimed"),
    30_000,
  );
  await rig.run(["campaign", "continue", id, "--reason", "they know"]);
  expect((await rig.run(["campaign", "watch", id])).err).toContain("ended: wave 2 of 2, 12 of 12 keys done");
  const report = await rig.run(["campaign", "report", id]);
  for (const said of ["8 started, 4 taken back", "Took ", "with versions that it retired: 0"])
    expect(report.out).toContain(said);
  expect((await rig.run(["campaign", "list", "--state", "ended"])).out).toContain("spring");
}, 30_000);

test("an emergency strikes a partner's keys, waits for the receipt and prints it", async () => {
  const killed = await rig.run([
    "emergency",
    "kill",
    "--consumer-label",
    "partner=acme",
    "--reason",
    "broken into",
    "--yes",
  ]);
  expect(killed.code, killed.err).toBe(0);
  expect(killed.out).toMatch(/cam_\w+: 6 keys struck, 0 skipped, 0 failed\.\nmarket: no verifier runs/);
  const items = (await rig.json<{ items: (Row & { consumer: string })[] }>("key", "list", "--consumer", "acme-bot"))
    .items;
  expect(items).toHaveLength(6);
  const again = await rig.json<{ state: string; keys: object }>(
    "emergency",
    "kill",
    "--consumer-label",
    "partner=acme",
    "--reason",
    "again",
    "--yes",
  );
  expect(again).toMatchObject({ state: "ended", keys: { started: 0, skipped: 6 } });
  const contained = await rig.run([
    "emergency",
    "contain",
    "--consumer",
    "other-bot",
    "--network",
    "203.0.113.0/24",
    "--reason",
    "leaked",
    "--no-wait",
    "--yes",
  ]);
  expect([contained.code, contained.out]).toEqual([0, expect.stringContaining("keyover campaign watch cam_")]);
}, 30_000);

test("a receipt names who is behind, or nobody", () => {
  const receipt = { api: "api_1", seq: 4, verifiers: 2, applied: 2, behind: [], at: null };
  expect(receiptText(receipt, () => "market")).toBe(
    "market: in force on 2 of 2 verifiers; the receipt is being written.",
  );
  const late = { ...receipt, applied: 1, behind: [{ instance: "web-1", applied: 3 }] };
  expect(receiptText(late, () => "market")).toBe("market: in force on 1 of 2 verifiers; not yet on web-1.");
});

test("a dry run of an emergency shows whom it would strike", async () => {
  const shown = await rig.run(["emergency", "kill", "--everything", "--reason", "look", "--dry-run"]);
  expect(shown.code, shown.err).toBe(0);
  expect(shown.out).toContain("12 keys (12 in rotation)");
});
