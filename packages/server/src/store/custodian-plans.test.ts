/** Who has seen what is found by searching, however many secrets there are. */
import { expect, test } from "vitest";
import { tokenCustodian, versionCustodian } from "./custodian-entities.ts";
import { AT, aBatch, aToken, mustCommit } from "./store.test-support.ts";
import { put } from "./store.ts";
import { openWatchedStore } from "./watched-store.test-support.ts";

test("SQLite searches custody by who and by key, and tokens by owner", async () => {
  const { store, taken, planOf } = openWatchedStore(() => AT);
  const none = { rotationId: null, via: null, at: AT };
  const seen = (keyId: string, who: string) =>
    put("custodian", versionCustodian({ ...none, keyId, version: 1, who, how: "created" }));
  const owned = aToken({ id: "tok_ann", owner: "Ann@Example.com" });
  const made = put("custodian", tokenCustodian("tok_bot", "tok_ann", AT));
  await mustCommit(store, aBatch([put("token", owned), made, seen("key_a", "tok_ann"), seen("key_b", "tok_bob")]));
  const plans: [ask: () => Promise<unknown[]>, index: string, found: number][] = [
    [
      () => store.list("custodian", { oneOf: { column: "who", values: ["tok_ann", "tok_bob"] } }, { limit: 9 }),
      "by_0 (who=?",
      3,
    ],
    [
      () => store.list("custodian", { oneOf: { column: "who", values: ["tok_ann"] } }, { after: "key_a~", limit: 9 }),
      "by_0 (who=? AND id>?",
      1,
    ],
    [
      () => store.list("custodian", { oneOf: { column: "key_id", values: ["key_a"] } }, { limit: 9 }),
      "by_1 (key_id=?",
      1,
    ],
    [() => store.list("token", { equals: { owner: "ann@example.com" } }, { limit: 9 }), "by_1 (owner=?", 1],
  ];
  for (const [ask, index, found] of plans) {
    expect(await ask()).toHaveLength(found);
    const plan = planOf(taken().at(-1) ?? "");
    expect(plan[0]).toMatch(/^SEARCH/);
    expect(plan.join("\n")).toContain(`_${index}`);
    expect(plan.join("\n")).not.toContain("SCAN");
  }
  await store.close();
});
