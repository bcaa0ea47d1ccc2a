/** What every store promises of keys that are due, and of policies; part of store.test-suite.ts. */
import { describe, expect, test } from "vitest";
import { AT, aBatch, aConsumer, aKey, aRotation, mustCommit } from "./store.test-support.ts";
import { put, type Store } from "./store.ts";

export function dueSuite(current: () => Store): void {
  const ids = (held: { value: { id: string } }[]) => held.map(({ value }) => value.id);
  const dates: [id: string, change: Parameters<typeof aKey>[0]][] = [
    ["key_late", { rotateAt: AT - 50 }],
    ["key_now", { rotateAt: AT }],
    ["key_later", { rotateAt: AT + 1 }],
    ["key_never", { rotateAt: null }],
    ["key_unknown", {}],
    ["key_rotating", { rotateAt: AT - 60, rotationId: "rot_1" }],
    ["key_held", { rotateAt: AT - 70, apiId: "api_held" }],
    ["key_ends", { expiryAt: AT - 1, rotationId: "rot_2" }],
    ["key_idle", { idleAt: AT - 2 }],
    ["key_idle_rotating", { idleAt: AT - 3, rotationId: "rot_3" }],
  ];
  const fill = () =>
    mustCommit(current(), aBatch(dates.map(([id, change]) => put("key", aKey({ id, rotationId: null, ...change })))));

  describe("keys that are due", () => {
    test("are those whose time has come, the longest overdue first, none that is in rotation", async () => {
      await fill();
      expect(ids(await current().dueKeys("rotate_at", AT, [], 10))).toEqual(["key_held", "key_late", "key_now"]);
      expect(ids(await current().dueKeys("rotate_at", AT, ["api_held"], 10))).toEqual(["key_late", "key_now"]);
      expect(ids(await current().dueKeys("rotate_at", AT + 1, [], 2))).toEqual(["key_held", "key_late"]);
      expect(ids(await current().dueKeys("expiry_at", AT, [], 10))).toEqual(["key_ends"]);
      expect(await current().dueKeys("expiry_at", AT - 2, [], 10)).toEqual([]);
      expect(ids(await current().dueKeys("idle_at", AT, [], 10))).toEqual(["key_idle"]);
    });

    test("move with the key's row", async () => {
      await fill();
      const held = await current().get("key", "key_now");
      if (held === undefined) throw new Error("it was filled in");
      await mustCommit(current(), aBatch([put("key", { ...held.value, rotateAt: AT + 500 }, held)]));
      expect(ids(await current().dueKeys("rotate_at", AT, [], 10))).not.toContain("key_now");
      expect(ids(await current().dueKeys("rotate_at", AT + 500, [], 10)).at(-1)).toBe("key_now");
    });
  });

  describe("filters", () => {
    test("by one of several values, also of the handle; by none of them nothing is found", async () => {
      await fill();
      const oneOf = (column: string, values: string[]) =>
        current().list("key", { oneOf: { column, values } }, { limit: 10 });
      expect(ids(await oneOf("id", ["key_now", "key_late", "key_none"]))).toEqual(["key_late", "key_now"]);
      expect(ids(await oneOf("api_id", ["api_held"]))).toEqual(["key_held"]);
      expect(await oneOf("id", [])).toEqual([]);
      await expect(oneOf("body", ["x"])).rejects.toThrow("no lifted column");
    });

    test("by a label of the key's consumer", async () => {
      await fill();
      const desk = aConsumer({ id: "con_desk", name: "desk", labels: { team: "desk" } });
      await mustCommit(
        current(),
        aBatch([
          put("consumer", desk),
          put("key", aKey({ id: "key_desk", consumerId: "con_desk", labels: { team: "none" } })),
        ]),
      );
      const count = (name: string, value: string) =>
        current().count("key", { ofKeys: { consumerLabel: { name, value } } });
      expect(await count("team", "desk")).toBe(1);
      expect(await count("team", "none")).toBe(0);
    });
  });

  test("a policy's name is its own, and one policy is attached to one target once", async () => {
    const policy = (id: string, name: string) => ({
      id,
      name,
      version: 1,
      spec: {},
      createdAt: AT,
      createdBy: "tok_1",
      changedAt: AT,
      changedBy: "tok_1",
      scheduleChangedAt: AT,
    });
    const attachment = (id: string, value: string) => ({
      id,
      policyId: "pol_a",
      target: { kind: "label" as const, name: "team", value, api: null },
      createdAt: AT,
      createdBy: "tok_1",
    });
    await mustCommit(
      current(),
      aBatch([put("policy", policy("pol_a", "a")), put("attachment", attachment("att_a", "desk"))]),
    );
    expect(await current().commit(aBatch([put("policy", policy("pol_b", "a"))]))).toEqual({
      ok: false,
      conflict: "unique",
    });
    expect(await current().commit(aBatch([put("attachment", attachment("att_b", "desk"))]))).toEqual({
      ok: false,
      conflict: "unique",
    });
    await mustCommit(current(), aBatch([put("attachment", attachment("att_b", "risk"))]));
    const found = await current().list(
      "attachment",
      { oneOf: { column: "target", values: ["label * team=desk", "label * team=risk"] } },
      { limit: 9 },
    );
    expect(ids(found)).toEqual(["att_a", "att_b"]);
  });

  test("a rotation that an older program wrote is whole when it is read", async () => {
    const later = [
      "policySources",
      "calendar",
      "paused",
      "pausedMs",
      "extendedMs",
      "overlapMaxMs",
      "remindMs",
      "youngQuietMs",
      "consumerMayExtendMs",
    ];
    const older = JSON.parse(JSON.stringify(aRotation(), (name, value) => (later.includes(name) ? undefined : value)));
    expect(older).not.toEqual(aRotation());
    await mustCommit(current(), aBatch([put("rotation", older)]));
    expect((await current().get("rotation", "rot_a"))?.value).toEqual(aRotation());
    expect((await current().list("rotation", {}, { limit: 1 }))[0]?.value).toEqual(aRotation());
  });
}
