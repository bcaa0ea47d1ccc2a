/** Brownouts from the deadline to the end of their plan: a real authority, a scripted verifier, a clock that is moved by hand. */
import { holdKey, judge } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let key: Answer["body"];
let verifier: ScriptedVerifier;
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

const plan = { at: "12:00", lengthsMs: [MINUTE, 5 * MINUTE], announceMs: HOUR };
/** START is a Friday, 08:00 UTC. */
const noon = (day = 0) => Date.UTC(2027, 0, 15 + day, 12);

/** A rotation whose old version somebody uses and nobody moves; its deadline is an hour ahead. */
async function offered(policy: Record<string, unknown> = {}, api: Record<string, unknown> = {}): Promise<string> {
  const made = await keyover.api(api);
  const consumer = await keyover.consumer();
  key = await keyover.key({ api: made, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(made);
  verifier.see(key.id, 1);
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
    policy: { onDeadline: "brownout", brownout: plan, ...policy },
  });
  await keyover.pass(SECOND);
  return id;
}

const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const command = (id: string, what: string, body: object) => keyover.ok("POST", `/v1/rotations/${id}/${what}`, body);
const actions = async (id: string) =>
  (await keyover.ok("GET", `/v1/audit?subject=${id}&limit=1000`)).items.map(
    (entry: { action: string }) => entry.action,
  );
const notices = async (event: string) =>
  (await keyover.store.list("notice_event", {}, { limit: 1_000 }))
    .map(({ value }) => value)
    .filter((raised) => raised.event.startsWith(event));

/** Time passes to a moment, in steps; the authority is there at the deadline, and a second after each noon, when brownouts begin. */
async function until(at: number): Promise<void> {
  while (keyover.now() < at) {
    const stops = [at, noon() - 3 * HOUR + 5 * SECOND, ...[0, 1, 2, 3].map((day) => noon(day) + SECOND)];
    const ahead = stops.map((each) => each - keyover.now()).filter((ms) => ms > 0);
    await keyover.pass(Math.min(3 * HOUR, ...ahead));
  }
}

/** What a verifier answers for a version, by what it holds. */
function answer(version: number, network = "203.0.113.7") {
  const record = verifier.records.get(key.id);
  const presented =
    record === undefined ? undefined : holdKey(record).versions.find((each) => each.version.number === version);
  if (presented === undefined) throw new Error("the verifier does not hold it");
  return judge(presented, { network }, keyover.now());
}

/** The verifier answers requests with the old version, and says so. */
function requests(count: number, version = 1): void {
  for (let i = 0; i < count; i++) {
    const { valid } = answer(version);
    verifier.see(key.id, version, { accepted: valid ? 1 : 0, refused: valid ? 0 : 1 });
  }
}

describe("R09: at the deadline", () => {
  test("a plan is announced, each brownout comes on its day and ends on time, and then it holds", async () => {
    const id = await offered();
    const { overlapEndsAt } = await look(id);
    await until(overlapEndsAt + SECOND);
    const { brownouts } = await look(id);
    expect(brownouts).toMatchObject({
      slots: [
        { from: noon(), until: noon() + MINUTE, by: "policy", begunAt: null, endedAt: null },
        { from: noon(1), until: noon(1) + 5 * MINUTE },
      ],
      stopped: null,
    });
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ valid: true, rotation: { brownout: { from: noon() } } });
    await until(noon() - SECOND);
    expect(answer(1).code).toBe("ok");
    await until(noon() + SECOND);
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ code: "brownout", retryAfterMs: expect.closeTo(59 * SECOND, -2) });
    expect(answer(2).code).toBe("ok");
    await until(noon() + MINUTE + SECOND);
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ valid: true, rotation: { brownout: { from: noon(1) } } });
    await until(noon(1) + 5 * MINUTE + SECOND);
    await verifier.catchUp();
    expect(answer(1).valid).toBe(true);
    expect(await look(id)).toMatchObject({ phase: "offered", endedAt: null });
    expect((await actions(id)).filter((action: string) => action.includes("brownout"))).toEqual([
      "rotation.brownouts-announced",
      "rotation.brownout-begun",
      "rotation.brownout-ended",
      "rotation.brownout-begun",
      "rotation.brownout-ended",
    ]);
    expect((await notices("brownout")).map(({ event }) => event)).toEqual([
      "brownout.announced",
      "brownout.begun",
      "brownout.ended",
      "brownout.begun",
      "brownout.ended",
    ]);
    const [announced] = await notices("brownout.announced");
    expect(announced?.details).toMatchObject({ slots: [{ at: noon(), forMs: MINUTE }, { at: noon(1) }] });
    await until(noon(2));
    expect((await notices("rotation.deadline")).map(({ details }) => details.since)).toEqual([overlapEndsAt]);
    expect(await notices("rotation.stuck")).toHaveLength(0);
    await until(noon(3));
    expect(await notices("rotation.stuck")).toHaveLength(1);
  });

  test("with `after: retire` the old version retires when the last is over, and it is said why", async () => {
    const id = await offered({ brownout: { ...plan, after: "retire" } });
    await until(noon(1) + 5 * MINUTE + 2 * SECOND);
    expect(await look(id)).toMatchObject({
      phase: "retired",
      forced: { by: "policy", reason: "the last brownout is over" },
    });
  });

  test("blackouts and holidays of the rotation are skipped", async () => {
    const made = await keyover.api();
    const consumer = await keyover.consumer();
    key = await keyover.key({ api: made, consumer });
    verifier = await keyover.verifier(made);
    const spec = {
      onDeadline: "brownout",
      brownout: plan,
      schedule: { holidays: [{ zone: "UTC", dates: ["2027-01-15", "2027-01-17"] }] },
    };
    await keyover.ok("PUT", "/v1/policies/desk", { spec });
    await keyover.ok("POST", "/v1/policies/desk/attachments", { target: { kind: "key", key: key.id } });
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.pass(SECOND);
    const explained = await keyover.ok("GET", `/v1/keys/${key.id}/policy`);
    const ahead = explained.calendar.filter(({ what }: { what: string }) => what === "brownout");
    expect(ahead.map(({ at }: { at: number }) => at)).toEqual([noon(1), noon(3)]);
    await until((await look(id)).overlapEndsAt + SECOND);
    expect((await look(id)).brownouts.slots.map(({ from }: { from: number }) => from)).toEqual([noon(1), noon(3)]);
  });

  test("one that was missed is not made up for; one that begins late ends on time", async () => {
    const id = await offered();
    await until((await look(id)).overlapEndsAt + SECOND);
    await keyover.clock.advance(noon() + 2 * MINUTE - keyover.now());
    await keyover.crash();
    await verifier.catchUp();
    await keyover.pass(SECOND);
    expect(answer(1).valid).toBe(true);
    expect(await actions(id)).toContain("rotation.brownout-missed");
    await until(noon(1) - MINUTE);
    await keyover.clock.advance(4 * MINUTE);
    await keyover.crash();
    await keyover.tick();
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ code: "brownout", retryAfterMs: expect.closeTo(2 * MINUTE, -3) });
    expect(await look(id)).toMatchObject({
      brownouts: { slots: [{ begunAt: null }, { begunAt: expect.closeTo(noon(1) + 3 * MINUTE, -2) }] },
    });
  });
});

describe("R09: what ends one at once", () => {
  const running = async () => {
    const id = await offered();
    await until(noon() + 10 * SECOND);
    await verifier.catchUp();
    expect(answer(1).code).toBe("brownout");
    return id;
  };
  const accepted = async () => {
    await verifier.catchUp();
    return answer(1).valid;
  };

  test.each<[string, string, object]>([
    ["the operator", "brownout/end", { reason: "the desk called" }],
    ["a pause", "pause", { reason: "wait" }],
    ["a moved deadline", "deadline", { byMs: DAY }],
    ["a rollback", "rollback", { reason: "not now" }],
  ])("%s", async (_who, what, body) => {
    const id = await running();
    await command(id, what, body);
    expect(await accepted()).toBe(true);
    await until(noon(1) + MINUTE);
    expect(await accepted()).toBe(true);
  });

  test("the error budget, soon after it is spent: refusals of sources that have not moved count", async () => {
    const id = await offered({ brownout: { ...plan, errorBudget: 3 } });
    await until(noon() + SECOND);
    await verifier.catchUp();
    requests(3);
    await keyover.pass(2 * SECOND);
    expect((await look(id)).brownouts.stopped).toBeNull();
    requests(1);
    await verifier.report();
    await keyover.clock.advance(2 * SECOND);
    expect((await look(id)).brownouts).toMatchObject({
      slots: [{ from: noon(), endedAt: expect.any(Number) }],
      stopped: { by: "policy", reason: expect.stringContaining("4 requests") },
    });
    expect(await accepted()).toBe(true);
    const [ended] = await notices("brownout.ended");
    expect(ended?.details).toMatchObject({ early: true, why: expect.stringContaining("the error budget is 3") });
    await until(noon(3));
    expect(await accepted()).toBe(true);
    expect(await look(id)).toMatchObject({ phase: "offered" });
  });

  test("with a budget of 0 the first refusal; who has moved spends nothing of it", async () => {
    const id = await offered({ quietMs: DAY, brownout: { ...plan, errorBudget: 0 } });
    await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await until(noon() + SECOND);
    await verifier.catchUp();
    requests(5);
    await keyover.pass(5 * SECOND);
    expect(await look(id)).toMatchObject({ phase: "overlapping", brownouts: { stopped: null } });
    verifier.see(key.id, 1, { accepted: 0, refused: 1, source: { ...bot, instance: "forgotten" } });
    await keyover.pass(5 * SECOND);
    expect((await look(id)).brownouts.stopped).toMatchObject({ by: "policy" });
  });
});

describe("R09: a source that calls during brownouts alone", () => {
  const rehearsal = { ...bot, instance: "rehearsal" };
  const refusals = (count: number) => verifier.see(key.id, 1, { accepted: 0, refused: count, source: rehearsal });

  test("spends the budget of each by what that one refuses", async () => {
    const id = await offered({ brownout: { ...plan, errorBudget: 3 } });
    await until(noon() + SECOND);
    refusals(3);
    await keyover.pass(5 * SECOND);
    await until(noon(1) + SECOND);
    refusals(3);
    await keyover.pass(5 * SECOND);
    expect((await look(id)).brownouts.stopped).toBeNull();
    refusals(1);
    await keyover.pass(5 * SECOND);
    const { brownouts } = await look(id);
    expect(brownouts.stopped).toMatchObject({ by: "policy", reason: expect.stringMatching(/^4 requests /) });
    // What the count goes by is nobody's business.
    expect(Object.keys(brownouts).toSorted()).toEqual(["announcedAt", "slots", "stopped"]);
  });

  test("of those that an operator begins, too", async () => {
    const id = await offered({ onDeadline: "hold", brownout: { ...plan, errorBudget: 3 } });
    for (const reason of ["first", "second"]) {
      await command(id, "brownout", { forMs: MINUTE, reason });
      refusals(3);
      await keyover.pass(5 * SECOND);
      expect((await look(id)).brownouts.slots.at(-1).endedAt).toBeNull();
      await keyover.pass(2 * MINUTE);
    }
    await command(id, "brownout", { forMs: MINUTE, reason: "third" });
    refusals(4);
    await keyover.pass(5 * SECOND);
    expect((await look(id)).brownouts.slots.at(-1).endedAt).not.toBeNull();
    const entry = (await keyover.ok("GET", `/v1/audit?subject=${id}&limit=1000`)).items.findLast(
      ({ action }: { action: string }) => action === "rotation.brownout",
    );
    expect(entry.details).toMatchObject({ forMs: MINUTE, reason: "third" });
    expect(entry.details).not.toHaveProperty("refusedBefore");
  });
});

describe("R09: by hand", () => {
  test("an operator refuses the old version for a time, before any deadline; others may not", async () => {
    const id = await offered({ onDeadline: "hold" });
    const body = { forMs: MINUTE, reason: "rehearsal" };
    await keyover.refused("forbidden", "POST", `/v1/rotations/${id}/brownout`, body, { token: holder });
    await keyover.refused("invalid_request", "POST", `/v1/rotations/${id}/brownout`, { ...body, forMs: HOUR + 1 });
    const begun = await command(id, "brownout", body);
    expect(begun.brownouts).toMatchObject({ announcedAt: null, slots: [{ until: keyover.now() + MINUTE }] });
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ code: "brownout", retryAfterMs: expect.closeTo(MINUTE, -3) });
    await keyover.refused("brownout_running", "POST", `/v1/rotations/${id}/brownout`, body);
    await keyover.pass(MINUTE + SECOND);
    await verifier.catchUp();
    expect(answer(1).valid).toBe(true);
    await keyover.refused("no_brownout", "POST", `/v1/rotations/${id}/brownout/end`, { reason: "over" });
    expect((await keyover.ok("GET", `/v1/keys/${key.id}`)).versions[0].brownoutUntil).toBeNull();
  });

  test("a repeated call with the same Idempotency-Key refuses nobody a second time", async () => {
    const id = await offered({ onDeadline: "hold" });
    const body = { forMs: MINUTE, reason: "rehearsal" };
    const path = `/v1/rotations/${id}/brownout`;
    const first = await keyover.ok("POST", path, body, { idempotencyKey: "one" });
    await keyover.pass(2 * MINUTE);
    expect(await keyover.ok("POST", path, body, { idempotencyKey: "one" })).toEqual(first);
    expect((await look(id)).brownouts.slots).toHaveLength(1);
  });

  test("a successor in use, and the old version silent: the evidence ends the overlap, and the brownout with it", async () => {
    const id = await offered({ onDeadline: "hold", quietMs: MINUTE });
    await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    await command(id, "brownout", { forMs: 10 * MINUTE, reason: "rehearsal" });
    await keyover.pass(2 * MINUTE);
    expect(await look(id)).toMatchObject({ phase: "retired", forced: null });
    await command(id, "rollback", { reason: "too early" });
    await verifier.catchUp();
    expect(answer(1)).toMatchObject({ valid: true });
  });
});

test("R07: a consumer that a brownout has stopped is not taken for one that has moved", async () => {
  const id = await offered({ onDeadline: "hold" });
  await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  const other = { ...bot, instance: "other" };
  verifier.see(key.id, 1, { source: other });
  verifier.see(key.id, 2);
  await keyover.pass(SECOND);
  await command(id, "brownout", { forMs: MINUTE, reason: "rehearsal" });
  await verifier.catchUp();
  verifier.see(key.id, 1, { source: other, accepted: 0, refused: 1 });
  const refusedAt = keyover.now();
  await until(refusedAt + 11 * MINUTE);
  const evidence = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
  expect(evidence.phase).toBe("overlapping");
  expect(evidence.quiet.sources[0]).toMatchObject({ source: other, turnedAway: true, neededMs: 20 * MINUTE });
  expect(evidence.gates.at(-1).explanation).toContain("because it was refused last");
  await until(refusedAt + 21 * MINUTE);
  expect((await look(id)).phase).toBe("retired");
});
