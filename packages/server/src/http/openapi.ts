/** The OpenAPI document, made from the schemas that validate. The rooms are never entered, so there are none. */
import type { Clock } from "@keyover/core";
import type { Rooms } from "./rooms.ts";
import { createHttp } from "./server.ts";

export async function openapiDocument(): Promise<object> {
  const clock: Clock = { now: () => 0, elapsed: () => 0, after: () => () => {} };
  const app = await createHttp({ world: { clock } } as Rooms, { logger: false, trustProxy: false });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}
