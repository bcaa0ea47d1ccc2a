/** Trying the successor before anything depends on it. */
import type { World } from "@keyover/core";
import { bounded, KeyHolderError } from "./failure.ts";
import type { Secret } from "./secret.ts";

export type ProbeOptions =
  /** A harmless request with the successor: refused if it is answered 401, or 403 for any reason but a missing scope. */
  | { url: string; method?: string | undefined }
  /** True if the secret works. A throw means that this can't be told now. */
  | ((secret: string, fetch: typeof globalThis.fetch) => Promise<boolean>);

/** True: works. False: refused. Throws where it can't be told now, and then it is tried again later. */
export type Probe = (secret: Secret) => Promise<boolean>;

const PROBE_MS = 15_000;

export function createProbe(options: ProbeOptions, world: World, instance: string): Probe {
  const probe =
    typeof options === "function"
      ? async (secret: Secret) => (await options(secret.reveal(), world.fetch)) === true
      : (secret: Secret) => request(options, secret, world, instance);
  return async (secret) => {
    const verdict = await bounded(probe(secret), PROBE_MS, world.clock);
    if (verdict === undefined)
      throw new KeyHolderError("probe_undecided", "the probe failed, or gave no answer in time");
    return verdict;
  };
}

async function request(
  options: { url: string; method?: string | undefined },
  secret: Secret,
  world: World,
  instance: string,
): Promise<boolean> {
  const abort = new AbortController();
  const cancel = world.clock.after(PROBE_MS, () => abort.abort());
  try {
    const response = await world.fetch(options.url, {
      method: options.method ?? "GET",
      redirect: "manual",
      headers: { authorization: `Bearer ${secret.reveal()}`, "keyover-instance": instance },
      signal: abort.signal,
    });
    const text = response.status === 403 ? await response.text() : "";
    response.body?.cancel().catch(() => {});
    if (response.status >= 500 || response.status === 429) throw new Error(`HTTP ${response.status}`);
    return response.status !== 401 && (response.status !== 403 || text.includes('"insufficient_scope"'));
  } finally {
    cancel();
  }
}
