/** What most tests of a restore begin with: an api with two keys and a verifier, and what people do to them. */
import type { Answer } from "../authority.test-support.ts";
import { Lineage, type RememberingVerifier } from "./restore.test-support.ts";

export type { Lineage, RememberingVerifier };

type Thing = Answer["body"];

export interface Scene {
  lineage: Lineage;
  api: Thing;
  consumer: Thing;
  key: Thing;
  other: Thing;
  web: RememberingVerifier;
}

export async function openScene(): Promise<Scene> {
  const lineage = await Lineage.start();
  const api = await lineage.api();
  const consumer = await lineage.consumer();
  const key = await lineage.keyover.key({ api, consumer });
  const other = await lineage.keyover.key({ api, consumer });
  const web = await lineage.verifier(api, "web");
  return { lineage, api, consumer, key, other, web };
}

/** Each speaks of the scene that is open, and of its `key` unless another is named. */
export function actsOn(current: () => Scene) {
  const ok = (method: string, path: string, body?: object): Promise<Thing> =>
    current().lineage.keyover.ok(method, path, body);
  const post = (path: string, body: object = {}) => ok("POST", path, body);
  const because = { reason: "leaked" };
  return {
    post,
    because,
    newKey: (of: Thing = current().api): Promise<Thing> =>
      current().lineage.keyover.key({ api: of, consumer: current().consumer }),
    rotate: (of: Thing = current().key) => post(`/v1/keys/${of.id}/rotations`, { reason: "routine" }),
    kill: (of: Thing = current().key) => post(`/v1/keys/${of.id}/emergency`, { ...because, mode: "kill" }),
    revoke: (of: Thing = current().key) => post(`/v1/keys/${of.id}/revoke`, because),
    shown: (of: Thing = current().key) => ok("GET", `/v1/keys/${of.id}`),
    phase: async (id: string) => (await ok("GET", `/v1/rotations/${id}`)).phase,
    verified: async (secret: string, at: Thing = current().api) =>
      (await post("/v1/verify", { api: at.id, key: secret, network: "203.0.113.7" })).code,
    changesOf: async (of: Thing = current().key) =>
      (await current().lineage.differences(current().api)).find(({ key }) => key === of.id)?.changes,
  };
}
