import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "../authority.test-double.ts";
import { createVerifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { createStandalone, type Standalone } from "./standalone.ts";

const text = newText();
const world = realWorld();
let standalone: Standalone;
let at: string;

beforeAll(async () => {
  const authority = new AuthorityDouble(world.clock);
  const rate = { kind: "rate", name: "burst", per: "key", units: 1, windowMs: 86_400_000, burst: 10 } as const;
  authority.writePlan({ plan: "pln_1", name: "pro", limits: [rate] });
  authority.write(keyRecord("key_limited", [version(text)], { plan: "pln_1" }));
  const own = worldOf(authority).world;
  const verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world: own });
  await verifier.ready;
  standalone = createStandalone(verifier, { world });
  await new Promise<void>((resolve) => standalone.server.listen(0, "127.0.0.1", resolve));
  at = `http://127.0.0.1:${(standalone.server.address() as AddressInfo).port}`;
});
afterAll(() => standalone.drain(0));

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(at + path, { headers: { authorization: `Bearer ${text}`, ...headers } });
const post = async (body: object) =>
  fetch(`${at}/verify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key: text, ...body }),
  });
const left = ({ headers }: Response) => /r=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];

test("the same headers on yes and no, everywhere; what a request costs is the gateway's word", async () => {
  expect(left(await ask("/check?cost=3"))).toBe("7");
  expect(left(await ask("/check", { "keyover-want-cost": "0" })), "no header of the caller's").toBe("6");
  expect(left(await ask("/ext-authz/?cost=0", { "keyover-want-cost": "2" })), "no query of the caller's").toBe("4");
  expect(await (await post({ cost: 0 })).json()).toMatchObject({
    limits: [{ limit: { name: "burst" }, remaining: 4 }],
  });
  const refused = await ask("/check?cost=5");
  expect([refused.status, left(refused)]).toEqual([429, "4"]);
  expect(refused.headers.get("keyover-code")).toBe("rate_limited");
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(86_000);
  expect(refused.headers.get("ratelimit-policy")).toBe('"burst";q=1;w=86400;keyover-burst=10');
});

test.each(["-1", "1.5", "", "1e3", "0x1", "%201", "1000001", "1&cost=2"])(
  "a cost of %o is the gateway's mistake",
  async (cost) => {
    expect((await ask(`/check?cost=${cost}`)).status).toBe(400);
  },
);

test("so it is in a header, and in a body", async () => {
  expect((await ask("/ext-authz/", { "keyover-want-cost": "all" })).status).toBe(400);
  for (const cost of ["3", -1, 0.5, null]) expect((await post({ cost })).status).toBe(400);
});
