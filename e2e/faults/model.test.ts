/** The model itself: a check that finds nothing in anything is worth nothing. */
import { describe, expect, it } from "vitest";
import type { Line, Market, OperationLine } from "./history.ts";
import { check } from "./model.ts";

const K = "key_1";

function request(
  who: string,
  sha: string,
  sent: number,
  status: number,
  more: { code?: string; stale?: boolean } = {},
): Line {
  return { line: "request", who, api: "api-1", sha, sent, answered: sent + 5, status, ...more };
}
function operation(what: OperationLine["what"], began: number, version?: number): Line {
  return { line: "operation", what, key: K, version, began, answered: began + 20 };
}
function handed(version: number, sha: string): Line {
  return { line: "handed", who: "bot-1", key: K, version, sha, at: 0 };
}
const ground = (market: Market): Line[] => [{ line: "key", key: K, market }, handed(1, "one"), handed(2, "two")];
const found = (lines: Line[], market: Market = "static") => {
  const all = [...ground(market), ...lines];
  return check(() => all);
};

describe("wrongly refused", () => {
  it("is whoever holds a version and is told that it is not good", async () => {
    for (const status of [401, 403]) {
      const findings = await found([request("bot-1", "one", 100, 200), request("bot-1", "one", 200, status)]);
      expect(findings).toMatchObject({ requests: 2, wronglyRefused: 1 });
      expect(findings.problems[0]).toContain("version 1 of key_1");
    }
  });

  it("is whoever tries the successor first, when it was handed out before everybody held it (I2)", async () => {
    const lines = [request("bot-1", "one", 100, 200), request("bot-1", "two", 200, 401)];
    expect((await found(lines)).wronglyRefused).toBe(1);
  });

  it("is a second process that was left behind, though the first has moved", async () => {
    const lines = [
      request("bot-1a", "one", 100, 200),
      request("bot-1b", "one", 100, 200),
      request("bot-1a", "two", 200, 200),
      request("bot-1b", "one", 300, 401),
    ];
    expect((await found(lines)).wronglyRefused).toBe(1);
  });

  it("is not who comes back with the version that they left", async () => {
    const lines = [
      request("bot-1", "one", 100, 200),
      request("bot-1", "two", 200, 200),
      request("bot-1", "one", 300, 401),
    ];
    expect((await found(lines)).wronglyRefused).toBe(0);
  });

  it("unless a rollback made that version current again, and everybody had the time to hear of it", async () => {
    const lines = [
      operation("rotate", 10, 1),
      request("bot-1", "one", 100, 200),
      request("bot-1", "two", 200, 200),
      operation("rollback", 1_000, 1),
    ];
    expect((await found([...lines, request("bot-1", "one", 2_000, 401)])).wronglyRefused).toBe(0);
    expect((await found([...lines, request("bot-1", "one", 12_000, 401)])).wronglyRefused).toBe(1);
    const left = [...lines, operation("rotate", 11_000, 1), request("bot-1", "one", 12_000, 401)];
    expect((await found(left)).wronglyRefused).toBe(0);
  });

  it("is not who is back on that version, at an API that may not have heard of it yet and says that it is retired", async () => {
    const lines = [
      operation("rotate", 10, 1),
      request("bot-1", "two", 200, 200),
      operation("rollback", 980, 1), // answered at 1,000
      request("bot-1", "one", 1_200, 200),
    ];
    const at = async (sent: number, code: string) =>
      (await found([...lines, request("bot-1", "one", sent, 401, { code })])).wronglyRefused;
    expect(await at(10_200, "key_retired")).toBe(0);
    expect(await at(10_300, "key_retired")).toBe(1);
    expect(await at(1_300, "invalid_key")).toBe(1);
  });

  it("is not who has been killed or revoked, from when the operator asked for it", async () => {
    const used = request("bot-1", "one", 100, 200);
    expect((await found([used, operation("kill", 203, 1), request("bot-1", "one", 200, 401)])).wronglyRefused).toBe(0);
    expect((await found([used, operation("revoke", 150), request("bot-1", "one", 200, 401)])).wronglyRefused).toBe(0);
    expect((await found([used, operation("kill", 206, 1), request("bot-1", "one", 200, 401)])).wronglyRefused).toBe(1);
    expect((await found([used, operation("kill", 150, 2), request("bot-1", "one", 200, 401)])).wronglyRefused).toBe(1);
  });

  it("is no thief", async () => {
    expect((await found([request("thief-1", "one", 100, 401)])).wronglyRefused).toBe(0);
  });
});

describe("accepted after the bound", () => {
  const revoked = operation("revoke", 980); // answered at 1,000

  it("is a request that was sent later than the lease after the answer; marked stale, later than the static time after that", async () => {
    const at = async (sent: number, stale: boolean, market: Market) =>
      (await found([revoked, request("thief-1", "one", sent, 200, { stale })], market)).acceptedAfterBound;
    expect(await at(4_200, false, "static")).toBe(0);
    expect(await at(4_300, false, "static")).toBe(1);
    expect(await at(10_200, true, "static")).toBe(0);
    expect(await at(10_300, true, "static")).toBe(1);
    expect(await at(6_200, true, "closed")).toBe(0);
    expect(await at(6_300, true, "closed")).toBe(1);
  });

  it("is found in what the API wrote down, though nobody got the answer", async () => {
    const decision = { line: "decision", api: "api-1", sha: "one", began: 4_300, stale: false } as const;
    expect((await found([revoked, { ...decision, code: "ok" }])).acceptedAfterBound).toBe(1);
    expect((await found([revoked, { ...decision, code: "revoked" }])).acceptedAfterBound).toBe(0);
  });

  it("concerns the version that was killed, and no other", async () => {
    const kill = operation("kill", 980, 1);
    expect((await found([kill, request("thief-1", "one", 9_000, 200)])).acceptedAfterBound).toBe(1);
    expect((await found([kill, request("bot-1", "two", 9_000, 200)])).acceptedAfterBound).toBe(0);
  });
});

describe("stale", () => {
  const unavailable = (sent: number) => request("bot-1", "one", sent, 503, { code: "verifier_unavailable" });
  const outage: Line = { line: "outage", api: "api-1", from: 8_000, to: 15_000 };

  it("is counted apart, and is right only after the lease of an API that was cut off", async () => {
    const problems = async (sent: number, market: Market) =>
      (await found([outage, unavailable(sent)], market)).problems;
    expect(await found([outage, unavailable(14_000)], "closed")).toMatchObject({ stale: 1, wronglyRefused: 0 });
    expect(await problems(14_000, "closed")).toEqual([]);
    expect(await problems(10_500, "closed")).toHaveLength(1);
    expect(await problems(19_900, "closed")).toEqual([]);
    expect(await problems(20_100, "closed")).toHaveLength(1);
    expect(await problems(14_000, "static")).toHaveLength(1);
  });

  it("is counted, and no problem, for a version that was killed or left: an API that does not know it any more may ask in vain", async () => {
    const problems = async (...lines: Line[]) => (await found([...lines, unavailable(14_000)])).problems;
    expect(await problems(operation("kill", 13_000, 1))).toEqual([]);
    expect(await problems(operation("kill", 13_000, 2))).toHaveLength(1);
    expect(await problems(request("bot-1", "one", 200, 200), request("bot-1", "two", 300, 200))).toEqual([]);
    expect(await problems(request("bot-1", "two", 300, 200), request("bot-1", "one", 400, 200))).toHaveLength(1);
  });

  it("is right where the machine had no time for its processes for a second within the lease", async () => {
    const starved = (from: number, to: number) => found([{ line: "starved", from, to }, unavailable(14_000)], "closed");
    expect(await starved(11_000, 12_500)).toMatchObject({ stale: 1, excused: 1, problems: [] });
    expect(await starved(11_000, 11_500)).toMatchObject({ excused: 0, problems: [expect.anything()] });
    expect(await starved(6_000, 9_000)).toMatchObject({ excused: 0, problems: [expect.anything()] });
  });

  it("of another API's outage does not count", async () => {
    const other: Line = { line: "outage", api: "api-2", from: 8_000, to: 15_000 };
    expect((await found([other, unavailable(14_000)], "closed")).problems).toHaveLength(1);
  });
});

it("an answer that no API should give is a problem, and so is a secret that nobody was handed", async () => {
  expect((await found([request("bot-1", "one", 100, 500)])).problems).toHaveLength(1);
  expect((await found([request("bot-1", "else", 100, 200)])).problems).toHaveLength(1);
});

it("of many problems of one kind the first few are told, and all are counted", async () => {
  const findings = await found([...Array(50)].map((_, i) => request("bot-1", "one", i, 401)));
  expect(findings.wronglyRefused).toBe(50);
  expect(findings.problems).toHaveLength(5);
});
