/** What the authority asks by itself costs the same however much there is: SQLite's plans for every statement of every duty, as really asked. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { DAY, MINUTE, SECOND, TestAuthority, TestClock } from "./authority.test-support.ts";
import { openMemoryStore } from "./store/sqlite.ts";

/** What grows with keys and with time. */
const GROWING =
  "key|version|rotation|sealed|feed_entry|feed_record|audit|audit_subject|idempotency|source_use|source_gap|version_use|usage_bucket|boot|notice|notice_event|campaign_item|custodian";

let keyover: TestAuthority;
const asked = new Set<string>();
let planOf: (query: string) => string[];

beforeAll(async () => {
  const clock = new TestClock();
  const store = openMemoryStore({
    now: () => clock.at,
    tune(sqlite) {
      const prepare = sqlite.prepare.bind(sqlite);
      planOf = (query) => {
        const places = (query.match(/\?/g) ?? []).map(() => null);
        const rows = prepare(`explain query plan ${query}`).all(...places) as { detail: string }[];
        return rows.map(({ detail }) => detail);
      };
      // A statement is prepared once; whether it is asked again is what counts here.
      sqlite.prepare = ((query: string) => {
        const statement = prepare(query);
        for (const name of ["all", "run"] as const) {
          const call = statement[name].bind(statement) as (...given: unknown[]) => unknown;
          const value = (...given: unknown[]) => {
            asked.add(query);
            return call(...given);
          };
          Object.defineProperty(statement, name, { value });
        }
        return statement;
      }) as never;
    },
  });
  keyover = await TestAuthority.start({ clock, store });
  await everyKindOfRotation();
  asked.clear();
  for (let second = 0; second < 65; second++) await keyover.pass(SECOND);
});
afterAll(() => keyover.close());

test("no duty goes through what grows from one end to the other", () => {
  const scans = [...asked].flatMap((query) =>
    planOf(query)
      .filter((detail) => new RegExp(`\\bSCAN (${GROWING})\\b`).test(detail))
      .map((detail) => `${detail}: ${query}`),
  );
  expect(scans).toEqual([]);
  expect(asked.size).toBeGreaterThan(30);
});

test.each([
  [
    "a page of rotations in flight",
    /^\s*select id from rotation where ended/,
    /^SEARCH rotation USING .*rotation_by_4 \(ended=\? AND id>\?\)$/,
  ],
  [
    "used successors among them",
    /^\s*select rotation.id as id from rotation/,
    /^SEARCH rotation USING INDEX sqlite_autoindex_rotation_1 \(id=\?\)$/,
  ],
  ["proven secrets", /^\s*select version.key_id as key_id/, /^SEARCH (sealed|version) USING .* \(id=\?\)$/],
  [
    "expired secrets",
    /from "sealed" where "rotation_id" is null/,
    /^SEARCH sealed USING INDEX sealed_by_3 \(expires_at<\?\)$/,
  ],
  ["boots past keeping", /^delete from boot/, /^SEARCH boot USING INDEX boot_by_end \(answers_until<\?\)$/],
])("SQLite finds %s by an index, in order", (_name, query, plan) => {
  const found = [...asked].filter((each) => query.test(each));
  expect(found.length).toBeGreaterThan(0);
  for (const each of found) {
    const details = planOf(each);
    expect(details[0]).toMatch(plan);
    expect(details.join("\n")).not.toContain("TEMP B-TREE");
  }
});

/** On its way, on offer, in overlap, retired; a key that is due soon, and one that nobody has used. */
async function everyKindOfRotation(): Promise<void> {
  const api = await keyover.api();
  await keyover.ok("PUT", "/v1/policies/monthly", { spec: { schedule: { everyMs: 30 * DAY } } });
  await keyover.ok("POST", "/v1/policies/monthly/attachments", { target: { kind: "api", api: api.id } });
  const consumer = await keyover.consumer();
  const holder = await keyover.token("consumer", { consumer: consumer.id });
  const verifier = await keyover.verifier(api);
  const keys = [];
  for (let i = 0; i < 5; i++) keys.push(await keyover.key({ api, consumer }));
  const [onOffer, inOverlap, retired, onTheWay] = keys;
  const rotate = (key: { id: string }) => keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { reason: "test" });
  const rotations = [await rotate(onOffer), await rotate(inOverlap), await rotate(retired)];
  await keyover.pass(SECOND);
  for (const rotation of rotations.slice(1)) {
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: holder });
    verifier.see(rotation.key, 2);
  }
  await keyover.pass(MINUTE);
  await keyover.ok("POST", `/v1/rotations/${rotations[2].id}/retire`, { reason: "test" });
  await keyover.pass(SECOND);
  verifier.alive = false;
  await rotate(onTheWay);
}
