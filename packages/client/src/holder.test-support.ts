/** A holder in the tests' world (client.test-world.ts), closed after its test; and what tests look at. */
import { afterEach } from "vitest";
import { API, FILE, type Scene, settle } from "./client.test-world.ts";
import { createKeyHolder, type KeyHolder, type KeyHolderOptions } from "./client.ts";
import type { Disk } from "./disk.ts";

const holders: KeyHolder[] = [];

export async function hold(stage: Scene, more: Partial<KeyHolderOptions> = {}): Promise<KeyHolder> {
  const holder = createKeyHolder(stage.options(more));
  holders.push(holder);
  await holder.ready;
  await settle();
  return holder;
}

afterEach(async () => {
  const closing = holders.splice(0).map((holder) => holder.close());
  await Promise.all(closing);
});

export const get = async (holder: KeyHolder, path = "/quotes") => (await holder.fetch(`${API}${path}`)).status;
export const secretsOf = (stage: Scene) => stage.provider.secrets.slice(1);
export const sidecarOf = (stage: Scene) => JSON.parse(stage.platter.text(`${FILE}.keyover`) ?? "null");
export const events = (stage: Scene) => stage.log.map(({ event }) => event);

/** Sends a request now and then while the time passes; the answers that were not 200. */
export async function traffic(stage: Scene, holder: KeyHolder, ms: number, stepMs = 250): Promise<number[]> {
  const bad: number[] = [];
  for (let passed = 0; passed < ms; passed += stepMs) {
    const answers = Array.from({ length: 3 }, () => get(holder));
    await stage.clock.advance(stepMs);
    for (const status of await Promise.all(answers)) if (status !== 200) bad.push(status);
  }
  return bad;
}

/** A disk on which only locks find room. */
export function fullDisk(stage: Scene): Disk {
  const disk = stage.platter.disk();
  const create: Disk["create"] = (path, text) =>
    path.includes(".lock") ? disk.create(path, text) : Promise.reject(Object.assign(new Error(), { code: "ENOSPC" }));
  return { ...disk, create };
}
