/** What a campaign does next in each state, and what each command does in each: a missing cell does not compile. */
import { describe, expect, test } from "vitest";
import {
  type Campaign,
  type CampaignState,
  defaultLimits,
  defaultWaveGate,
  type ItemCounts,
  noItems,
  type Wave,
  type WaveGate,
} from "./campaign.ts";
import {
  type CampaignCommand,
  type CampaignHealth,
  type CampaignStep,
  commandCampaign,
  drawnMore,
  estimateEnd,
  itemsMoved,
  newCampaign,
  refusalWeight,
  rolledBackMore,
  selectedMore,
  stepCampaign,
} from "./campaign-steps.ts";

const AT = 1_800_000_000_000;
const MINUTE = 60_000;

const gate = (change: Partial<WaveGate> = {}): WaveGate => ({ ...defaultWaveGate, ...change });
const counts = (change: Partial<ItemCounts>): ItemCounts => ({ ...noItems, ...change });

function campaign(change: Partial<Campaign> = {}): Campaign {
  const waves: Wave[] = [
    { of: { percent: 10 }, gate: gate() },
    { of: { rest: true }, gate: gate() },
  ];
  const wanted = {
    id: "cam_1",
    name: "spring",
    action: "rotate" as const,
    select: { everything: true as const },
    waves,
    limits: defaultLimits,
    pace: null,
    fence: null,
    reason: "routine",
    startedBy: "tok_1",
  };
  return { ...newCampaign(wanted, "", AT), ...change };
}

const running = (change: Partial<Campaign> = {}) =>
  campaign({ state: "running", resumes: "running", cursor: null, ...change });

/** Wave 0 is started, wave 1 waits. */
const atGate = (change: Partial<Campaign> = {}) =>
  running({ counts: [counts({ started: 10 }), counts({ waiting: 90 })], wholeAt: AT, ...change });

function health(change: Partial<CampaignHealth["wave"]> = {}, more: Partial<CampaignHealth> = {}): CampaignHealth {
  const wave = { rotations: 10, offered: 10, claimed: 0, retired: 0, broken: 0, ...change };
  return { wave, broken: 0, refused: 0, heldApis: [], ...more };
}

const become = (step: CampaignStep) => {
  if (step.do !== "become") throw new Error(`it does ${step.do}`);
  return step;
};

describe("by itself it", () => {
  const cases: [what: string, given: Campaign, seen: CampaignHealth, expected: Partial<CampaignStep>][] = [
    ["selects", campaign(), health(), { do: "select" }],
    [
      "starts what waits in its wave",
      running({ counts: [counts({ waiting: 1 }), noItems] }),
      health(),
      { do: "start" },
    ],
    ["does nothing while paused", campaign({ state: "paused" }), health(), { do: "nothing" }],
    ["does nothing while held", atGate({ state: "held" }), health(), { do: "nothing" }],
    ["does nothing once ended", atGate({ state: "ended" }), health(), { do: "nothing" }],
    [
      "takes a wave back, whatever else there is",
      atGate({ state: "held", rollback: { wave: 0, by: "tok_1", reason: "bad", after: "" } }),
      health(),
      { do: "roll-back" },
    ],
    [
      "waits for the last offer",
      atGate(),
      health({ offered: 9 }),
      { do: "wait", for: "9 of 10 offered, 10 needed", until: null },
    ],
    ["goes on once all are offered", atGate(), health(), { do: "become", action: "campaign.wave", notice: null }],
    ["does not count what was taken back", atGate(), health({ offered: 8, broken: 2 }), { do: "become" }],
    [
      "waits for nobody where every rotation was taken back",
      atGate(),
      health({ offered: 0, broken: 10 }),
      { do: "become", action: "campaign.wave" },
    ],
    [
      "ends after the last wave",
      atGate({ counts: [noItems, counts({ started: 10 })], wave: 1 }),
      health(),
      { do: "become", action: "campaign.ended", notice: "campaign.ended" },
    ],
    [
      "ends where no key is left in any wave",
      running({ wholeAt: AT }),
      health({ rotations: 0, offered: 0 }),
      { do: "become", action: "campaign.ended" },
    ],
    [
      "is held by too many failures",
      running({ counts: [counts({ waiting: 5, failed: 8 }), noItems] }),
      health({}, { broken: 3 }),
      { do: "become", action: "campaign.held", notice: "campaign.held" },
    ],
    [
      "goes on with as many as are allowed",
      running({ counts: [counts({ waiting: 5, failed: 8 }), noItems] }),
      health({}, { broken: 2 }),
      { do: "start" },
    ],
    ["is held by one refused use", atGate(), health({}, { refused: 1 }), { do: "become", action: "campaign.held" }],
    [
      "is held while it selects by an api that was restored",
      campaign(),
      health({}, { heldApis: ["api_1"] }),
      { do: "become", action: "campaign.held" },
    ],
  ];
  test.each(cases)("%s", (_what, given, seen, expected) => {
    expect(stepCampaign(given, seen, AT)).toMatchObject(expected);
  });

  test("skips waves without a key", () => {
    const of = (percent: number): Wave => ({ of: { percent }, gate: gate() });
    const waves = [of(1), of(2), of(100)];
    const given = atGate({ waves, counts: [counts({ started: 1 }), noItems, counts({ waiting: 4 })] });
    expect(become(stepCampaign(given, health(), AT + 5)).next).toMatchObject({
      wave: 2,
      wholeAt: null,
      metAt: null,
      lap: { at: AT + 5, done: 1 },
    });
  });

  test("counts shares up: half of five is three", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ claimed: 0.5, retired: 0.2 }) },
      { of: { rest: true }, gate: gate() },
    ];
    const step = (seen: Partial<CampaignHealth["wave"]>) =>
      stepCampaign(atGate({ waves }), health({ rotations: 5, offered: 5, ...seen }), AT);
    expect(step({ claimed: 2, retired: 0 })).toMatchObject({
      do: "wait",
      for: "2 of 5 claimed, 3 needed; 0 of 5 retired, 1 needed",
    });
    expect(step({ claimed: 3, retired: 1 })).toMatchObject({ do: "become" });
  });

  test("soaks from the moment that its gate was met", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ soakMs: 30 * MINUTE }) },
      { of: { rest: true }, gate: gate() },
    ];
    const met = become(stepCampaign(atGate({ waves }), health(), AT + MINUTE));
    expect(met).toMatchObject({ action: "campaign.gate-met", notice: null });
    expect(met.next.metAt).toBe(AT + MINUTE);
    expect(stepCampaign(met.next, health(), AT + 31 * MINUTE - 1)).toMatchObject({
      do: "wait",
      until: AT + 31 * MINUTE,
    });
    expect(become(stepCampaign(met.next, health(), AT + 31 * MINUTE)).next.wave).toBe(1);
    // What happens meanwhile still counts.
    expect(stepCampaign(met.next, health({}, { refused: 1 }), AT + 2 * MINUTE)).toMatchObject({
      action: "campaign.held",
    });
  });

  test("is held where a gate's time is over", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ claimed: 1, waitMs: MINUTE }) },
      { of: { rest: true }, gate: gate() },
    ];
    expect(stepCampaign(atGate({ waves }), health(), AT + MINUTE - 1)).toMatchObject({
      do: "wait",
      until: AT + MINUTE,
    });
    const held = become(stepCampaign(atGate({ waves }), health(), AT + MINUTE)).next;
    expect(held.why?.reason).toBe(
      "wave 1 (up to 10 %) has not come to what its gate asks for: 0 of 10 claimed, 10 needed",
    );
    expect(held).toMatchObject({ state: "held", resumes: "running" });
  });

  test("an emergency is stopped by nothing, and waits for verifiers alone", () => {
    const all = health({}, { broken: 99, refused: 99, heldApis: ["api_1"] });
    const kill = (change: Partial<Campaign>) => campaign({ action: "kill", ...change });
    expect(stepCampaign(kill({}), all, AT)).toEqual({ do: "select" });
    const left = { state: "running" as const, cursor: null };
    expect(stepCampaign(kill({ ...left, counts: [counts({ waiting: 1 })] }), all, AT)).toEqual({ do: "start" });
    expect(stepCampaign(kill({ ...left, counts: [counts({ started: 1 })] }), all, AT)).toEqual({ do: "confirm" });
  });
});

describe("an operator's word", () => {
  const reason = "because";
  type Cell = string | Partial<Campaign>;
  /** `=`: nothing changes; a code: refused; else what is different. Each state as it is in the midst of wave 0. */
  const table: Record<CampaignCommand["type"], Record<CampaignState, Cell>> = {
    pause: {
      selecting: { state: "paused", resumes: "selecting" },
      running: { state: "paused", resumes: "running" },
      paused: "=",
      held: "=",
      ended: "campaign_ended",
    },
    resume: {
      selecting: "=",
      running: "=",
      paused: { state: "selecting", why: null },
      held: { state: "running", why: null },
      ended: "campaign_ended",
    },
    continue: {
      selecting: "campaign_not_waiting",
      running: { state: "running", wave: 1, accepted: { failed: 4, refused: 2 } },
      paused: "campaign_not_waiting",
      held: { state: "running", wave: 0, accepted: { failed: 4, refused: 2 }, why: null },
      ended: "campaign_ended",
    },
    abort: {
      selecting: { state: "ended", outcome: "aborted", endedAt: AT },
      running: { state: "ended", outcome: "aborted", endedAt: AT },
      paused: { state: "ended", outcome: "aborted", endedAt: AT },
      held: { state: "ended", outcome: "aborted", endedAt: AT },
      ended: "campaign_ended",
    },
    "roll-back": {
      selecting: "wave_not_started",
      running: { state: "held", resumes: "running" },
      paused: { state: "paused" },
      held: { state: "held", resumes: "running" },
      ended: { state: "ended" },
    },
  };
  const given: Record<CampaignState, Campaign> = {
    selecting: campaign(),
    running: atGate(),
    paused: atGate({ state: "paused", resumes: "selecting", why: { at: AT, by: "tok_1", reason } }),
    held: atGate({ state: "held", why: { at: AT, by: "policy", reason } }),
    ended: atGate({ state: "ended", outcome: "done" }),
  };
  for (const [type, cells] of Object.entries(table)) {
    test.each(Object.entries(cells))(`${type} while %s`, (state, cell) => {
      const before = given[state as CampaignState];
      const decided = commandCampaign(
        before,
        { type, reason } as CampaignCommand,
        "tok_2",
        { broken: 4, refused: 2 },
        AT,
      );
      if (cell === "=") expect(decided).toEqual({ ok: true, next: before });
      else if (typeof cell === "string") expect(decided).toMatchObject({ ok: false, code: cell });
      else expect(decided).toMatchObject({ ok: true, next: cell });
    });
  }

  test("a hold in the midst of a wave is lifted, and the wave goes on where it was", () => {
    const held = atGate({
      state: "held",
      counts: [counts({ started: 5, failed: 11, waiting: 20 }), counts({ waiting: 7 })],
    });
    const decided = commandCampaign(held, { type: "continue", reason }, "tok_2", { broken: 0, refused: 0 }, AT);
    const next = decided.ok ? decided.next : held;
    expect(next).toMatchObject({ state: "running", wave: 0, accepted: { failed: 11 } });
    expect(stepCampaign(next, health(), AT)).toEqual({ do: "start" });
  });

  test("a hold at a gate is lifted, and the gate and its soak are still waited for; unless it was the gate that was late", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ claimed: 1, soakMs: 60 * MINUTE, waitMs: 5 * MINUTE }) },
      { of: { rest: true }, gate: gate() },
    ];
    const go = (of: Campaign, now: number) => {
      const decided = commandCampaign(of, { type: "continue", reason }, "tok_2", { broken: 0, refused: 1 }, now);
      return decided.ok ? decided.next : of;
    };
    const open = go(atGate({ state: "held", waves }), AT + MINUTE);
    expect(stepCampaign(open, health({}, { refused: 1 }), AT + MINUTE)).toMatchObject({ do: "wait" });
    const soaking = go(atGate({ state: "held", waves, metAt: AT + MINUTE }), AT + 10 * MINUTE);
    const seen = health({ claimed: 10 }, { refused: 1 });
    expect(stepCampaign(soaking, seen, AT + 10 * MINUTE)).toMatchObject({ do: "wait", until: AT + 61 * MINUTE });
    expect(go(atGate({ state: "held", waves }), AT + 5 * MINUTE)).toMatchObject({ state: "running", wave: 1 });
    // Asked again it passes the gate.
    expect(go(open, AT + MINUTE)).toMatchObject({ state: "running", wave: 1 });
  });

  test("passes a gate that was met, and is met no more before its soak is over", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ claimed: 0.5, soakMs: 60 * MINUTE, waitMs: 5 * MINUTE }) },
      { of: { rest: true }, gate: gate() },
    ];
    const soaking = atGate({ waves, metAt: AT });
    const now = AT + 10 * MINUTE;
    // The one that had claimed was taken back by its owner.
    const { next } = become(stepCampaign(soaking, health({ rotations: 2, offered: 2, broken: 1 }, { broken: 1 }), now));
    expect([next.state, next.why?.reason]).toEqual(["held", expect.stringContaining("0 of 1 claimed, 1 needed")]);
    const decided = commandCampaign(next, { type: "continue", reason }, "tok_2", { broken: 1, refused: 0 }, now);
    expect(decided).toMatchObject({ ok: true, next: { state: "running", wave: 1 } });
  });

  test("the last gate may be passed over too: then it ends", () => {
    const last = atGate({ counts: [noItems, counts({ started: 3 })], wave: 1 });
    const decided = commandCampaign(last, { type: "continue", reason }, "tok_2", { broken: 0, refused: 0 }, AT);
    expect(decided).toMatchObject({ ok: true, next: { state: "ended", outcome: "done" } });
  });

  test("nobody takes back what leaked, a wave that was not begun, or two waves at once", () => {
    const back = (of: Campaign, wave?: number) =>
      commandCampaign(of, { type: "roll-back", wave, reason }, "tok_2", { broken: 0, refused: 0 }, AT);
    expect(back(atGate({ action: "kill" }))).toMatchObject({ ok: false, code: "version_compromised" });
    expect(back(atGate(), 1)).toMatchObject({ ok: false, code: "wave_not_started" });
    expect(back(atGate(), 9)).toMatchObject({ ok: false, code: "wave_not_started" });
    const first = back(atGate());
    const rolling = first.ok ? first.next : campaign();
    expect(back(rolling)).toMatchObject({ ok: false, code: "campaign_rolling_back" });
    for (const type of ["resume", "continue"] as const)
      expect(commandCampaign(rolling, { type, reason }, "tok_2", { broken: 0, refused: 0 }, AT)).toMatchObject({
        ok: false,
        code: "campaign_rolling_back",
      });
  });

  test("what an operator takes back is no failure of the campaign", () => {
    const decided = commandCampaign(atGate(), { type: "roll-back", reason }, "tok_2", { broken: 0, refused: 0 }, AT);
    const some = rolledBackMore(decided.ok ? decided.next : campaign(), { own: 6, others: 0 }, "cam_1.key_6", AT);
    expect(some).toMatchObject({ rollback: { after: "cam_1.key_6" }, accepted: { failed: 6 } });
    const all = rolledBackMore(some, { own: 4, others: 0 }, null, AT);
    expect(all).toMatchObject({ rollback: null, counts: [{ "rolled-back": 10, started: 0 }, { waiting: 90 }] });
    expect(all.accepted.failed).toBe(10);
    const on = commandCampaign(all, { type: "resume" }, "tok_2", { broken: 10, refused: 0 }, AT);
    const seen = health({ broken: 10, offered: 0 }, { broken: 10 });
    expect(stepCampaign(on.ok ? on.next : all, seen, AT)).toMatchObject({ action: "campaign.wave" });
  });
});

describe("limits count each trouble once", () => {
  const said = (of: Campaign, command: CampaignCommand, seen: { broken: number; refused: number }) => {
    const decided = commandCampaign(of, command, "tok_2", seen, AT);
    if (!decided.ok) throw new Error(decided.code);
    return decided.next;
  };
  const limits = { failedMax: 0, refusedMax: 0 };

  test("what others had rolled back was accepted with the rest, and is not accepted again when its wave is taken back", () => {
    const held = atGate({ state: "held", limits });
    const accepted = said(held, { type: "continue", reason: "known" }, { broken: 3, refused: 0 });
    expect(accepted.accepted.failed).toBe(3);
    const rolling = said(accepted, { type: "roll-back", reason: "bad" }, { broken: 3, refused: 0 });
    const back = rolledBackMore(rolling, { own: 7, others: 3 }, null, AT);
    expect(back).toMatchObject({ accepted: { failed: 10 }, counts: [{ "rolled-back": 10 }, {}] });
    const on = said(back, { type: "resume" }, { broken: 10, refused: 0 });
    expect(stepCampaign(on, health({}, { broken: 10 }), AT)).toMatchObject({ action: "campaign.wave" });
    // One more, and it is held: nothing was accepted for it.
    expect(stepCampaign(on, health({}, { broken: 11 }), AT)).toMatchObject({ action: "campaign.held" });
  });

  test("what others had rolled back, and nobody has accepted, is no less a failure by a take-back", () => {
    const rolling = said(atGate({ limits }), { type: "roll-back", reason: "bad" }, { broken: 1, refused: 0 });
    const on = said(
      rolledBackMore(rolling, { own: 9, others: 1 }, null, AT),
      { type: "resume" },
      { broken: 10, refused: 0 },
    );
    expect(stepCampaign(on, health({}, { broken: 10 }), AT)).toMatchObject({ action: "campaign.held" });
  });

  test("refusals that were accepted, and are gone with their wave, leave no allowance for others", () => {
    const known = said(
      atGate({ state: "held", limits }),
      { type: "continue", reason: "known" },
      { broken: 0, refused: 5 },
    );
    expect(stepCampaign(known, health({ offered: 0 }, { refused: 5 }), AT)).toMatchObject({ do: "wait" });
    const paused = said(known, { type: "pause", reason: "look" }, { broken: 0, refused: 5 });
    const on = said(paused, { type: "resume" }, { broken: 0, refused: 1 });
    expect(on.accepted.refused).toBe(1);
    expect(stepCampaign(on, health({}, { refused: 2 }), AT)).toMatchObject({ action: "campaign.held" });
    // Nor are more of them accepted by a resume.
    expect(said(paused, { type: "resume" }, { broken: 0, refused: 9 }).accepted.refused).toBe(5);
  });

  test("a consumer counts once, and again only when it gets twice as bad", () => {
    expect([1, 2, 3, 4, 7, 8, 1_000_000].map((keys) => refusalWeight([keys]))).toEqual([1, 2, 2, 3, 3, 4, 20]);
    expect(refusalWeight([])).toBe(0);
    expect(refusalWeight([1, 1, 1])).toBe(3);
    expect(refusalWeight([100, 1])).toBe(8);
  });
});

describe("what was found and done", () => {
  test("the first wave that has keys is the first to be started", () => {
    const found = [
      { wave: 1, state: "waiting" as const },
      { wave: 1, state: "waiting" as const },
    ];
    const some = selectedMore(campaign(), found, { cursor: "x", apis: ["api_2"] }, AT);
    expect(some).toMatchObject({ state: "selecting", cursor: "x", apis: ["api_2"] });
    const found4 = selectedMore(some, found, { cursor: null, apis: ["api_1", "api_2"] }, AT + 9);
    // Now it is known how many 10 % are.
    expect(found4).toMatchObject({ state: "selecting", cursor: null });
    expect(stepCampaign(found4, health(), AT)).toEqual({ do: "draw" });
    const moved = drawnMore(found4, [{ from: 1, to: 0 }], false, AT + 9);
    expect(moved).toMatchObject({ state: "selecting", counts: [{ waiting: 1 }, { waiting: 3 }] });
    const all = drawnMore(moved, [{ from: 0, to: 1 }], true, AT + 9);
    expect(all).toMatchObject({
      state: "running",
      wave: 1,
      wholeAt: null,
      apis: ["api_1", "api_2"],
      lap: { at: AT + 9 },
    });
    expect(all.counts[1]?.waiting).toBe(4);
  });

  test("where no keys are drawn it begins as soon as all are found", () => {
    const waves: Wave[] = [
      { of: { environment: "test" }, gate: gate() },
      { of: { rest: true }, gate: gate() },
    ];
    const all = selectedMore(campaign({ waves }), [{ wave: 1, state: "waiting" }], { cursor: null, apis: [] }, AT);
    expect(all).toMatchObject({ state: "running", wave: 1 });
  });

  test("a wave is whole when its last key was tried", () => {
    const begun = running({ counts: [counts({ waiting: 3 }), counts({ waiting: 1 })] });
    const two = [
      { from: "waiting" as const, to: "started" as const },
      { from: "waiting" as const, to: "skipped" as const },
    ];
    const most = itemsMoved(begun, 0, two, AT + 1);
    expect(most).toMatchObject({ wholeAt: null, counts: [{ waiting: 1, started: 1, skipped: 1 }, { waiting: 1 }] });
    expect(itemsMoved(most, 0, [{ from: "waiting", to: "failed" }], AT + 2)).toMatchObject({ wholeAt: AT + 2 });
  });
});

describe("the estimate", () => {
  test("is what waits at the pace so far, and the soaks that are to come", () => {
    const waves: Wave[] = [
      { of: { percent: 10 }, gate: gate({ soakMs: 10 * MINUTE }) },
      { of: { rest: true }, gate: gate({ soakMs: 5 * MINUTE }) },
    ];
    const given = running({
      waves,
      counts: [counts({ started: 100, waiting: 100 }), counts({ waiting: 1_000 })],
      lap: { at: AT - 10_000, done: 0 },
    });
    const { endsAt, because } = estimateEnd(given, AT);
    expect(endsAt).toBe(AT + 110_000 + 15 * MINUTE);
    expect(because).toBe("1100 keys at 10 a second, 15 minutes of soak");
  });

  test("leaves the wait at a gate out of the pace, and rounds no pace and no soak to nothing", () => {
    const waves: Wave[] = [
      { of: { keys: ["key_1"] }, gate: gate({ soakMs: 5_000 }) },
      { of: { rest: true }, gate: gate({ soakMs: 5_000 }) },
    ];
    const canary = atGate({
      waves,
      counts: [counts({ started: 1 }), counts({ waiting: 3 })],
      lap: { at: AT - 20_000, done: 0 },
      wholeAt: AT,
    });
    const soon = estimateEnd(canary, AT + 1_000);
    expect(soon).toEqual({ endsAt: AT + 1_000 + 60_000 + 10_000, because: "3 keys at 3 a minute, 10 seconds of soak" });
    const later = estimateEnd(canary, AT + 3_600_000);
    expect(later.because).toBe(soon.because);
  });

  test("after a stop does not say that nothing was started", () => {
    const resumed = atGate({ lap: { at: AT + 9, done: 10 } });
    expect(estimateEnd(resumed, AT + 10)).toEqual({
      endsAt: null,
      because: "the pace of this stretch is not known yet",
    });
  });

  test("says what it does not know", () => {
    expect(estimateEnd(campaign(), AT)).toMatchObject({ endsAt: null });
    expect(estimateEnd(atGate({ state: "held" }), AT)).toMatchObject({ endsAt: null });
    expect(estimateEnd(running({ counts: [counts({ waiting: 1 }), noItems] }), AT)).toMatchObject({ endsAt: null });
    const waves: Wave[] = [{ of: { rest: true }, gate: gate({ claimed: 1 }) }];
    expect(estimateEnd(atGate({ waves, counts: [counts({ started: 1 })] }), AT).because).toContain("nobody knows");
  });
});
