/** Whatever goes wrong within, a gateway that waits is answered, and not with a yes. */
import type { Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Verdict } from "@keyover/core";
import { afterEach, describe, expect, test } from "vitest";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { EnvoyDouble } from "./ext-authz.test-support.ts";
import { createStandalone, type Standalone } from "./standalone.ts";

const world = { ...realWorld(), log: () => undefined };
const running: Standalone[] = [];
afterEach(() => {
  for (const { server, grpcServer } of running.splice(0)) {
    server.closeAllConnections();
    server.close();
    grpcServer?.close();
  }
});

const good: Verdict = {
  valid: true,
  code: "ok",
  key: "key_1",
  version: 1,
  consumer: "con_1",
  environment: "live",
  scopes: [],
};

/** A verifier that is broken in one way. */
const verifierThat = (broken: Partial<Verifier>): Verifier => ({
  ready: Promise.resolve(),
  docsUrl: "https://docs.test",
  verify: async () => good,
  verifyNow: () => good,
  status: () => [],
  close: async () => undefined,
  ...broken,
});

const fails = () => {
  throw new Error("broken");
};
const rejects = () => Promise.reject(new Error("broken"));
const later = () => undefined;

const broken: [string, Partial<Verifier>][] = [
  ["verifyNow throws", { verifyNow: fails }],
  ["verify throws", { verifyNow: later, verify: fails }],
  ["verify rejects", { verifyNow: later, verify: rejects }],
];
const unsendable: [string, Partial<Verifier>][] = [
  ["a header that HTTP can't carry, at once", { verifyNow: () => ({ ...good, consumer: "con\n1" }) }],
  ["the same, later", { verifyNow: later, verify: async () => ({ ...good, consumer: "con\n1" }) }],
  ["limits that are none", { verifyNow: () => ({ ...good, limits: [null] as never }) }],
  ["a verdict that is none", { verifyNow: () => ({ valid: false, code: "nonsense" as "ok" }) }],
  ["the same, later", { verifyNow: later, verify: async () => ({ valid: false, code: "nonsense" as "ok" }) }],
];

async function serve(how: Partial<Verifier>) {
  const standalone = createStandalone(verifierThat(how), { world, grpc: true, introspection: "anybody" });
  running.push(standalone);
  const [http, grpc] = [standalone.server, standalone.grpcServer as Http2Server].map(
    (server) =>
      new Promise<number>((resolve) =>
        server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
      ),
  );
  return { url: `http://127.0.0.1:${await http}`, grpc: `127.0.0.1:${await grpc}`, standalone };
}

const key = { "x-api-key": "mkt_live_any" };

describe.each([...broken, ...unsendable])("%s", (_what, how) => {
  test.each(["/check", "/check?problem=header", "/ext-authz/v1"])(
    "%s answers 503, and the next request too",
    async (path) => {
      const { url, standalone } = await serve(how);
      for (let i = 0; i < 2; i++) {
        const reply = await fetch(url + path, { headers: key });
        expect([reply.status, reply.headers.get("retry-after"), reply.headers.get("keyover-code")]).toEqual([
          503,
          "1",
          "verifier_unavailable",
        ]);
        expect(reply.headers.get("keyover-key")).toBeNull();
        await reply.text();
      }
      const defects = standalone.samples().find(({ labels }) => labels.reason === "defect");
      expect(defects?.value).toBe(2);
    },
  );
});

test("headers that can't be made, over gRPC", async () => {
  const { grpc, standalone } = await serve({ verifyNow: () => ({ ...good, limits: [null] as never }) });
  const envoy = new EnvoyDouble(grpc);
  expect(await envoy.outcome(key)).toMatchObject({ rpc: 14, refused: { status: 503 } });
  envoy.close();
  expect(standalone.samples().find(({ labels }) => labels.reason === "defect")?.value).toBe(1);
});

describe.each(broken)("%s", (_what, how) => {
  test("gRPC, /verify, /verify/batch and /introspect answer too", async () => {
    const { url, grpc } = await serve(how);
    const envoy = new EnvoyDouble(grpc);
    expect(await envoy.outcome(key)).toMatchObject({ rpc: 14, refused: { status: 503 } });
    envoy.close();
    const post = (path: string, body: string, type: string) =>
      fetch(url + path, { method: "POST", headers: { "content-type": type }, body });
    expect((await post("/verify", '{"key":"mkt_live_any"}', "application/json")).status).toBe(503);
    expect((await post("/introspect", "token=mkt_live_any", "application/x-www-form-urlencoded")).status).toBe(503);
    const batch = await post("/verify/batch", '{"asks":[{"key":"a"},{"key":"b"}]}', "application/json");
    expect(await batch.json()).toEqual({ verdicts: Array(2).fill({ valid: false, code: "stale_replica" }) });
  });
});
