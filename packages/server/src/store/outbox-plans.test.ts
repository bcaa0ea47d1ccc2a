/** What the post office asks again and again is answered by an index, however much has been sent. */
import type SqliteDatabase from "better-sqlite3";
import { expect, test } from "vitest";
import { openMemoryStore } from "./sqlite.ts";

test.each<[string, (store: ReturnType<typeof openMemoryStore>) => Promise<unknown>, RegExp]>([
  [
    "what waits",
    (store) => store.list("notice_event", { equals: { waits: 1 } }, { limit: 9 }),
    /USING INDEX notice_event_by_0/,
  ],
  [
    "what collects",
    (store) => store.list("notice", { equals: { collects: "chn_a" } }, { limit: 9 }),
    /USING INDEX notice_by_3/,
  ],
  ["what is due", (store) => store.overdue("due_at", 7, ["chn_a", "chn_b"], 9), /USING INDEX notice_by_4/],
  ["what escalates", (store) => store.overdue("escalate_at", 7, [], 9), /USING INDEX notice_by_5/],
  [
    "what is dead",
    (store) => store.list("notice", { equals: { state: "dead" } }, { limit: 9 }),
    /USING INDEX notice_by_1/,
  ],
  ["which verifiers are lost", (store) => store.bootsUntil("api_a", 1, 7, 9), /USING INDEX boot_by_unknown/],
  [
    "whether it was told",
    (store) => store.list("notice_event", { equals: { dedupe: "verifier.lost boo_a 1" } }, { limit: 1 }),
    /USING INDEX notice_event_unique_0/,
  ],
])("%s", async (_what, ask, index) => {
  const texts: string[] = [];
  let sqlite: InstanceType<typeof SqliteDatabase> | undefined;
  const store = openMemoryStore({
    now: Date.now,
    tune(opened) {
      sqlite = opened;
      const prepare = opened.prepare.bind(opened);
      opened.prepare = ((text: string) => {
        texts.push(text);
        return prepare(text);
      }) as typeof opened.prepare;
    },
  });
  texts.length = 0;
  await ask(store);
  const [text = ""] = texts;
  const places = text.match(/\?/g)?.length ?? 0;
  const plan = sqlite?.prepare(`explain query plan ${text}`).all(...Array<number>(places).fill(1)) as {
    detail: string;
  }[];
  const details = plan.map(({ detail }) => detail).join("\n");
  expect(details).toMatch(/^SEARCH/);
  expect(details).toMatch(index);
  expect(details).not.toContain("SCAN");
  await store.close();
});
