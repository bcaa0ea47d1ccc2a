/**
 * I18 past custody: somebody who can write to the database, and has no key to it, exchanges sealed secrets or puts an old one back. Whoever
 * asks for a secret then gets an error, never another one: by a claim, or by repeating the request that made the key.
 *
 *     two keys of two consumers, each with a successor on offer ──▶ rows changed ──▶ claimed ──▶ put right ──▶ claimed again
 */
import { sha256Text } from "@keyover/core";
import type { Sealed } from "../packages/server/src/store/entities.ts";
import { type Held, put, type Store } from "../packages/server/src/store/store.ts";
import type { Chance } from "./chance.ts";
import type { Model } from "./model.ts";
import type { VirtualTime } from "./time.ts";

export interface SwapParts {
  model: Model;
  time: VirtualTime;
  chance: Chance;
  store: Store;
  /** A call to an authority, past the network. The token: an administrator's, unless another is given. */
  call: (
    method: string,
    path: string,
    body: object,
    options?: { token?: string; once?: string },
  ) => Promise<{ status: number; body: string }>;
  api: string;
}

interface Owner {
  token: string;
  key: string;
  /** The request that made the key, to be repeated. */
  wanted: object;
  once: string;
  rotation: string;
  /** What is sealed for it: of the first version, and of the successor. */
  first: Held<Sealed>;
  successor: Held<Sealed>;
}

const OFFERED_WITHIN_MS = 30_000;

export async function checkSwaps(parts: SwapParts): Promise<void> {
  const { chance, model } = parts;
  const owners = [await ownerOf(parts, 1), await ownerOf(parts, 2)];
  if (!(await offered(parts, owners))) return;
  const [one, two] = owners.map((owner) => ({ ...owner })) as [Owner, Owner];
  for (const owner of [one, two]) owner.successor = await sealedOf(parts, owner.key, 2);
  const swaps: Record<string, [Held<Sealed>, Sealed][]> = {
    "two keys' successors are exchanged": [
      [one.successor, two.successor.value],
      [two.successor, one.successor.value],
    ],
    "two keys' first secrets are exchanged": [
      [one.first, two.first.value],
      [two.first, one.first.value],
    ],
    "an older secret of the key takes the successor's place": [[one.successor, one.first.value]],
    "the successor takes the first one's place": [[one.first, one.successor.value]],
    "another key's first secret takes the successor's place": [[one.successor, two.first.value]],
  };
  const what = chance.pick(Object.keys(swaps));
  model.history.note("intruder", what);
  await write(
    parts.store,
    (swaps[what] as [Held<Sealed>, Sealed][]).map(([row, { envelope }]) => ({ row, envelope })),
  );
  for (const owner of [one, two]) await askForAll(parts, owner, what);
  await write(
    parts.store,
    [one.first, one.successor, two.first, two.successor].map((row) => ({ row, envelope: row.value.envelope })),
  );
  for (const owner of [one, two]) {
    const { status } = await claim(parts, owner);
    if (status !== 200) model.fail("I6", owner.key, `a claim whose row was put right is answered with ${status}`);
  }
}

async function ownerOf({ call, api, chance, store }: SwapParts, n: number): Promise<Owner> {
  const made = async (path: string, body: object, once?: string) =>
    JSON.parse((await call("POST", path, body, once === undefined ? {} : { once })).body) as Record<string, string>;
  const consumer = (await made("/v1/consumers", { name: `swapped ${n}` })).id as string;
  const token = (await made("/v1/tokens", { name: "swapped", role: "consumer", consumer })).secret as string;
  const wanted = { api, environment: "live", consumer, scopes: ["market:read"], policy: { claim: "token" } };
  const once = Buffer.from(chance.bytes(8)).toString("hex");
  const key = (await made("/v1/keys", wanted, once)).id as string;
  const rotation = (await made(`/v1/keys/${key}/rotations`, { reason: "routine" })).id as string;
  const [first] = await store.list("sealed", { equals: { key_id: key } }, { limit: 10 });
  return { token, key, wanted, once, rotation, first: first as Held<Sealed>, successor: first as Held<Sealed> };
}

async function sealedOf({ store }: SwapParts, key: string, version: number): Promise<Held<Sealed>> {
  const rows = await store.list("sealed", { equals: { key_id: key } }, { limit: 10 });
  return rows.find(({ value }) => value.version === version) as Held<Sealed>;
}

async function offered({ model, time }: SwapParts, owners: readonly Owner[]): Promise<boolean> {
  const isOffered = ({ key, rotation }: Owner) =>
    model.keys.get(key)?.rotations.get(rotation)?.rotation.phase === "offered";
  const latest = time.at + OFFERED_WITHIN_MS + 2 * model.staleMs;
  while (!owners.every(isOffered)) {
    if (model.violation !== undefined) return false;
    if (time.at > latest) {
      model.fail("L1", undefined, "a successor is not offered though everything works");
      return false;
    }
    await time.runUntil(time.at + 200, () => model.violation !== undefined);
  }
  return true;
}

/** Past the authority. The revisions stay what they are read as: only what is sealed is another. */
async function write(store: Store, changes: { row: Held<Sealed>; envelope: Sealed["envelope"] }[]): Promise<void> {
  for (const { row, envelope } of changes) {
    const now = await store.get("sealed", row.value.id);
    if (now === undefined) continue;
    const audit = { at: 0, actor: "intruder", action: "none", subjects: [row.value.id], details: {} };
    const outcome = await store.commit({
      writes: [put("sealed", { ...row.value, envelope }, now)],
      audit: [audit],
      feed: [],
    });
    if (!outcome.ok) throw new Error(outcome.conflict);
  }
}

function claim({ call }: SwapParts, { rotation, token }: Owner) {
  return call("POST", `/v1/rotations/${rotation}/claim`, {}, { token });
}

async function askForAll(parts: SwapParts, owner: Owner, what: string): Promise<void> {
  const { model, call } = parts;
  const answers = [
    { version: 2, answer: await claim(parts, owner) },
    { version: 1, answer: await call("POST", "/v1/keys", owner.wanted, { once: owner.once }) },
  ];
  for (const { version, answer } of answers) {
    const secret = answer.status < 300 ? (JSON.parse(answer.body) as { secret?: string | null }).secret : undefined;
    if (secret == null) continue;
    const known = model.secrets.get(sha256Text(secret));
    if (known?.key.id !== owner.key || known.version !== version)
      model.fail("I18", owner.key, `${what}; asked for version ${version}, the authority gives away another secret`);
  }
}
