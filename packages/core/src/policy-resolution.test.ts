import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultExpiry } from "./expiry.ts";
import { defaultRotationPolicy } from "./policy.ts";
import {
  type Layer,
  membersOf,
  type PolicySpec,
  policySources,
  type ResolvedPolicy,
  type Rule,
  resolvePolicy,
  scheduleSince,
  type Target,
  targetsOf,
  targetText,
} from "./policy-resolution.ts";
import { defaultSchedule } from "./schedule.ts";

const DAY = 86_400_000;

const targets: Record<"api" | "environment" | "label" | "key", Target> = {
  api: { kind: "api", api: "api_1" },
  environment: { kind: "environment", api: "api_1", environment: "live" },
  label: { kind: "label", name: "team", value: "desk", api: null },
  key: { kind: "key", key: "key_1" },
};
const policyRule = (kind: keyof typeof targets, attachedAt = 1, id = `att_${kind}_${attachedAt}`): Rule => ({
  kind: "policy",
  policy: `pol_${id}`,
  name: id,
  version: 3,
  attachment: id,
  target: targets[kind],
  attachedAt,
  scheduleSince: attachedAt,
});

/** From the farthest to the nearest, as docs/policies.md says. */
const order: Rule[] = [
  policyRule("api"),
  policyRule("api", 2),
  { kind: "api" },
  policyRule("environment"),
  policyRule("label"),
  policyRule("label", 2),
  policyRule("key"),
  { kind: "key" },
  { kind: "start" },
];

const nameOf = (rule: Rule) => (rule.kind === "policy" ? rule.name : rule.kind);

const specs: fc.Arbitrary<PolicySpec> = fc.record(
  {
    overlapMs: fc.integer({ min: 1, max: 9 }),
    onDeadline: fc.constantFrom("hold", "retire"),
    remindMs: fc.array(fc.nat(9), { maxLength: 2 }),
    schedule: fc.record({ everyMs: fc.option(fc.nat(9)), maxAgeMs: fc.option(fc.nat(9)) }, { requiredKeys: [] }),
    expiry: fc.record({ graceMs: fc.nat(9) }, { requiredKeys: [] }),
    channels: fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

describe("the policy in force", () => {
  test("what nobody says is the default, which a reviewer would sign", () => {
    const { rotation, schedule, expiry, channels } = resolvePolicy([]);
    expect(rotation).toEqual(defaultRotationPolicy);
    expect(schedule).toEqual(defaultSchedule);
    expect(expiry).toEqual(defaultExpiry);
    expect(channels).toEqual([]);
    expect([schedule.maxAgeMs, rotation.overlapMs, rotation.onDeadline, rotation.rollbackMs]).toEqual([
      90 * DAY,
      14 * DAY,
      "hold",
      7 * DAY,
    ]);
  });

  test("each member is from the nearest layer that gives it, in whatever order they were read", () => {
    const layersOf = fc
      .tuple(
        fc.array(specs, { minLength: order.length, maxLength: order.length }),
        fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
      )
      .map(([given, there]) =>
        order.flatMap((rule, i): Layer[] => (there[i] ? [{ rule, spec: given[i] as PolicySpec }] : [])),
      );
    fc.assert(
      fc.property(layersOf, fc.infiniteStream(fc.nat()), (layers, dice) => {
        const shuffled = [...layers]
          .map((layer) => ({ layer, at: dice.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ layer }) => layer);
        const { members } = resolvePolicy(shuffled);
        for (const [name, { value, rule, overrode }] of Object.entries(members)) {
          const said = layers.filter(({ spec }) => membersOf(spec)[name] !== undefined).reverse();
          expect(nameOf(rule), name).toBe(said[0] === undefined ? "default" : nameOf(said[0].rule));
          if (said[0] !== undefined) expect(value).toEqual(membersOf(said[0].spec)[name]);
          const rest = said.slice(1).map((layer) => nameOf(layer.rule));
          expect(overrode.map((each) => nameOf(each.rule))).toEqual(said.length === 0 ? [] : [...rest, "default"]);
        }
      }),
    );
  });

  test("null is said, and means none; what is undefined is not said", () => {
    const layers: Layer[] = [
      { rule: policyRule("api"), spec: { schedule: { maxAgeMs: 5, everyMs: 7 }, overlapMs: undefined } },
      { rule: policyRule("key"), spec: { schedule: { maxAgeMs: null, everyMs: undefined } } },
    ];
    const { schedule, rotation, members } = resolvePolicy(layers);
    expect(schedule).toMatchObject({ maxAgeMs: null, everyMs: 7 });
    expect(rotation.overlapMs).toBe(defaultRotationPolicy.overlapMs);
    expect(members["schedule.maxAgeMs"]).toMatchObject({ value: null, overrode: [{ value: 5 }, { value: 90 * DAY }] });
  });

  test("of two policies of the same nearness the one that was attached later wins; at the same moment always the same one", () => {
    const layers: Layer[] = [
      { rule: policyRule("label", 5, "att_b"), spec: { overlapMs: 2 } },
      { rule: policyRule("label", 4, "att_z"), spec: { overlapMs: 1 } },
      { rule: policyRule("label", 5, "att_a"), spec: { overlapMs: 3 } },
    ];
    for (const turned of [layers, [...layers].reverse()]) expect(resolvePolicy(turned).rotation.overlapMs).toBe(2);
  });

  test("what is no part of a policy does not get in", () => {
    const spec = { admin: true, schedule: { admin: true } } as PolicySpec;
    expect(JSON.stringify(resolvePolicy([{ rule: { kind: "key" }, spec }]))).not.toContain("admin");
  });

  test("a rotation remembers which versions its values came from, and not what schedules say", () => {
    const resolved = resolvePolicy([
      { rule: policyRule("api"), spec: { overlapMs: 1, quietMs: 2, schedule: { everyMs: 1 } } },
      { rule: { kind: "start" }, spec: { quietMs: 3 } },
    ]);
    expect(policySources(resolved)).toEqual([
      { kind: "policy", policy: "pol_att_api_1", name: "att_api_1", version: 3, members: ["overlapMs"] },
      { kind: "start", members: ["quietMs"] },
    ]);
  });

  test("a schedule holds since the last of its rules did", () => {
    const since = (resolved: ResolvedPolicy) => scheduleSince(resolved, 10);
    expect(since(resolvePolicy([]))).toBe(10);
    expect(since(resolvePolicy([{ rule: policyRule("api", 40), spec: { schedule: { maxAgeMs: 1 } } }]))).toBe(40);
    expect(since(resolvePolicy([{ rule: policyRule("api", 40), spec: { schedule: { blackouts: [] } } }]))).toBe(10);
  });
});

describe("targets", () => {
  test("a key is reached by its api, its environment, each label of its consumer, and itself", () => {
    const key = { id: "key_1", apiId: "api_1", environment: "live" };
    expect(targetsOf(key, { team: "desk" }).map(targetText)).toEqual([
      "api api_1",
      "environment api_1 live",
      "label * team=desk",
      "label api_1 team=desk",
      "key key_1",
    ]);
  });

  test("two targets have one text only if they are the same", () => {
    const word = fc.constantFrom("a", "b", "a=b", "", "*", "a b");
    const any: fc.Arbitrary<Target> = fc.oneof(
      fc.record({
        kind: fc.constant("label" as const),
        name: fc.constantFrom("a", "b"),
        value: word,
        api: fc.constantFrom(null, "api_1", "api_2"),
      }),
      fc.record({
        kind: fc.constant("environment" as const),
        api: fc.constantFrom("api_1", "api_2"),
        environment: fc.constantFrom("live", "test"),
      }),
      fc.record({ kind: fc.constant("api" as const), api: fc.constantFrom("api_1", "api_2") }),
    );
    fc.assert(
      fc.property(any, any, (a, b) => {
        expect(targetText(a) === targetText(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      { numRuns: 1_000 },
    );
  });
});
