/** Keys, made by the authority's own API. */
import type { Fleet } from "./fleet.ts";

export interface IssuedKey {
  id: string;
  secret: string;
}

export async function issueKeys({ admin, api }: Pick<Fleet, "admin" | "api">, count: number): Promise<IssuedKey[]> {
  const consumer = await admin.request("post", "/v1/consumers", { body: { name: `desk ${performance.now()}` } });
  const issued: IssuedKey[] = [];
  for (let i = 0; i < count; i++) {
    const key = await admin.request("post", "/v1/keys", {
      body: { api, environment: "live", consumer: consumer.id, scopes: ["market:read"] },
    });
    issued.push({ id: key.id, secret: key.secret as string });
  }
  return issued;
}
