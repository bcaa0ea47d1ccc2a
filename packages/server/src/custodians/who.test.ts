/** Whom a text means, however many they are. */
import { expect, test } from "vitest";
import { openMemoryStore } from "../store/sqlite.ts";
import { AT, aBatch, aConsumer, mustCommit } from "../store/store.test-support.ts";
import { put } from "../store/store.ts";
import { findWho } from "./who.ts";

test("a label that more consumers carry than are read at once means all of them", async () => {
  const store = openMemoryStore({ now: () => AT });
  const consumers = Array.from({ length: 10_050 }, (_, i) =>
    aConsumer({ id: `con_${String(i).padStart(5, "0")}`, name: `desk ${i}`, labels: { partner: "acme" } }),
  );
  for (let i = 0; i < consumers.length; i += 1_000)
    await mustCommit(store, aBatch(consumers.slice(i, i + 1_000).map((consumer) => put("consumer", consumer))));
  const found = await findWho(store, "partner=acme");
  expect(found.ok && found.value.consumers.length).toBe(consumers.length);
  await store.close();
});
