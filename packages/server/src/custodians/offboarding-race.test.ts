/** Somebody who is being offboarded makes themselves another token in the midst of it. */
import { afterEach, expect, test } from "vitest";
import { type Answer, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Batch, Store } from "../store/store.ts";

type Body = Answer["body"];

let keyover: TestAuthority;
/** Is called before a token is revoked. */
let beforeRevocation: (tokenId: string) => Promise<void>;
afterEach(() => keyover.close());

async function open(): Promise<void> {
  beforeRevocation = async () => {};
  const clock = new TestClock();
  const real = openMemoryStore({ now: () => clock.at });
  const commit = async (batch: Batch) => {
    for (const { action, subjects } of batch.audit)
      if (action === "token.revoked") await beforeRevocation(subjects[0] as string);
    return real.commit(batch);
  };
  const store = new Proxy(real, {
    get: (_, name: keyof Store) => (name === "commit" ? commit : real[name]),
  });
  keyover = await TestAuthority.start({ clock, store });
}

const token = (by?: string): Promise<Body> =>
  keyover.ok(
    "POST",
    "/v1/tokens",
    { name: "a token", role: "admin", owner: by === undefined ? "ann" : "ci" },
    options(by),
  );
const options = (by?: string) => (by === undefined ? undefined : { token: by });
const act = (body: Record<string, unknown> = {}, more = {}): Promise<Body> =>
  keyover.ok("POST", "/v1/custodians/ann/offboard", { reason: "has left", revokeMade: true, ...body }, more);
const works = async ({ secret }: Body) => (await keyover.call("GET", "/v1/keys", undefined, { token: secret })).status;

test("a token that is made between the look and the revocation is revoked too, and what was made with it is replaced", async () => {
  await open();
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  await keyover.verifier(api);
  const ann = await token();
  const made: Body[] = [];
  const keys: Body[] = [];
  beforeRevocation = async () => {
    // Twice, each with the one before.
    if (made.length === 2) return;
    const by = (made.at(-1) ?? ann).secret;
    made.push(await token(by));
    const body = {
      api: api.id,
      consumer: consumer.id,
      environment: "live",
      scopes: ["market:*"],
      name: `bot ${keys.length}`,
    };
    keys.push(await keyover.ok("POST", "/v1/keys", body, { token: (made.at(-1) as Body).secret }));
  };
  const done = await act();
  expect(done).toMatchObject({ left: [], keys: 2 });
  expect(done.revoked).toEqual([ann.id, ...made.map(({ id }) => id)]);
  for (const each of [ann, ...made]) expect(await works(each)).toBe(401);
  await keyover.pass(1_000);
  const { items } = await keyover.ok("GET", `/v1/campaigns/${done.campaign}/items`);
  expect(new Set(items.map(({ key }: Body) => key))).toEqual(new Set(keys.map(({ id }) => id)));
});

test("who makes them faster than they are revoked is named, and asking again goes on", async () => {
  await open();
  let newest = await token();
  let count = 1;
  beforeRevocation = async () => {
    newest = await token(newest.secret);
    count++;
  };
  const done = await act();
  expect(done.revoked).toHaveLength(10);
  expect(done.left).toEqual([{ token: newest.id, why: expect.stringContaining("ask again") }]);
  expect(count).toBe(11);
  beforeRevocation = async () => {};
  expect(await act()).toMatchObject({ revoked: [newest.id], left: [] });
});

test("the answer that is kept for a repeated request names all of them", async () => {
  await open();
  const ann = await token();
  let second: Body;
  beforeRevocation = async () => {
    second ??= await token(ann.secret);
  };
  const once = { idempotencyKey: "leaver" };
  const done = await act({}, once);
  expect(done.revoked).toEqual([ann.id, second?.id]);
  expect(await act({}, once)).toEqual(done);
  const { items } = await keyover.ok("GET", `/v1/audit?subject=${second?.id}&limit=100`);
  expect(items.map(({ action }: Body) => action)).toEqual(["token.created", "token.revoked", "custodian.offboarded"]);
});
