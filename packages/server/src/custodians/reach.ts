/**
 * Everything that somebody could have seen, and what of it still works.
 *
 *     their tokens ──▶ tokens that were made with those ──▶ tokens made with those …     (a token is shown to who makes it)
 *           └───────────────┴──▶ versions that were shown to any of them (keys/sights.ts)
 *     a consumer ──▶ every version of each of its keys
 *
 * It is walked through by *lanes*, a token's or a consumer's keys in order of handles, so that a page costs no more the further it is behind.
 */
import { isAccepted, type Key, mayComeBack, type Rotation, type Version } from "@keyover/core";
import { allOf, type Sight, sightsOf } from "../keys/sights.ts";
import type { CustodyWay } from "../store/custodian-entities.ts";
import { isExpired, type Token } from "../store/entities.ts";
import type { Store } from "../store/store.ts";
import type { Who } from "./who.ts";

export interface ReachedToken {
  token: Token;
  /** The token that made it, where that is what they know it by; null: it is their own. */
  madeWith: string | null;
  works: boolean;
}

export const secretStates = ["works", "dormant", "replacing", "done"] as const;
/**
 * `works`: accepted. `dormant`: its key is suspended or has expired; it works again if that is undone. `replacing`: a rotation from it runs.
 * `done`: refused for good.
 */
export type SecretState = (typeof secretStates)[number];

export interface ReachedSecret {
  key: Key;
  version: number;
  state: SecretState;
  /** By itself accepted, or able to come back by a rollback: whether its key is refused, or it is being replaced, is another matter. */
  exposed: boolean;
  /** `held`: it is a key of theirs. */
  ways: (CustodyWay | "held")[];
  /** Not shown to them, but to a token that was made with theirs; null: to them. */
  through: string | null;
  /** When it was shown first, or made. */
  at: number;
  /** The rotation that its key is in. */
  rotationId: string | null;
}

export interface Reach {
  who: Who;
  tokens: ReachedToken[];
  /** What works comes first; then in the order in which it is met. */
  secrets: MetSecret[];
}

/** Whose secrets are asked for. */
interface Asked {
  who: Who;
  tokens: ReachedToken[];
  /** By which they could have seen something, and whose keys were in their hands: in order. A key is met in the first that has it. */
  lanes: string[];
  tokenIds: ReadonlySet<string>;
  now: number;
}

/** Behind which secret to go on. */
interface Place {
  state: SecretState;
  lane: string;
  key: string;
  version: number;
}

/** `direct`: only what was shown to their own tokens. */
export async function reachOf(store: Store, who: Who, now: number, direct: boolean): Promise<Reach> {
  const asked = await askedOf(store, who, now, direct);
  const met: MetSecret[] = [];
  for await (const some of walk(store, asked)) met.push(...some);
  const secrets = secretStates.flatMap((wanted) => met.filter(({ state }) => state === wanted));
  return { who, tokens: asked.tokens, secrets };
}

export interface ReachPage {
  who: Who;
  tokens: ReachedToken[];
  /** In the order of the whole reach, with what to ask for to go on behind each. Up to `limit`. */
  secrets: { secret: ReachedSecret; cursor: string }[];
}

/** Some of it, behind a cursor: what comes before is not read again. Undefined: that is no cursor. */
export async function reachPage(
  store: Store,
  who: Who,
  now: number,
  asked: { direct: boolean; state: SecretState | undefined; cursor: string | undefined; limit: number },
): Promise<ReachPage | undefined> {
  const from = asked.cursor === undefined ? undefined : placeOf(asked.cursor);
  if (asked.cursor !== undefined && from === undefined) return undefined;
  const base = await askedOf(store, who, now, asked.direct);
  if (from !== undefined && !base.lanes.includes(from.lane)) return undefined;
  const secrets: ReachPage["secrets"] = [];
  for (const state of secretStates.slice(from === undefined ? 0 : secretStates.indexOf(from.state))) {
    if (asked.state !== undefined && asked.state !== state) continue;
    for await (const some of walk(store, base, from?.state === state ? from : undefined)) {
      for (const secret of some) if (secret.state === state) secrets.push({ secret, cursor: cursorOf(secret) });
      if (secrets.length >= asked.limit) return { who, tokens: base.tokens, secrets: secrets.slice(0, asked.limit) };
    }
  }
  return { who, tokens: base.tokens, secrets };
}

export function cursorOf({ state, lane, key, version }: MetSecret): string {
  return [state, lane, key.id, version].join(".");
}

function placeOf(cursor: string): Place | undefined {
  const [state, lane = "", key = "", version] = cursor.split(".");
  const known = secretStates.find((each) => each === state);
  return known === undefined || !/^\d+$/.test(version ?? "")
    ? undefined
    : { state: known, lane, key, version: Number(version) };
}

async function askedOf(store: Store, who: Who, now: number, direct: boolean): Promise<Asked> {
  const tokens = await tokensOf(store, who, now);
  const by = (direct ? tokens.filter(({ madeWith }) => madeWith === null) : tokens).map(({ token }) => token.id);
  const lanes = [...by.sort(), ...who.consumers.map(({ id }) => id).sort()];
  return { who, tokens, lanes, tokenIds: new Set(by), now };
}

interface MetSecret extends ReachedSecret {
  lane: string;
}

/** Keys of a lane that are read at once. */
const PAGE = 500;

/** Lane by lane, in order of keys and versions. */
async function* walk(store: Store, asked: Asked, from?: Place): AsyncGenerator<MetSecret[]> {
  const start = from === undefined ? 0 : asked.lanes.indexOf(from.lane);
  for (const lane of asked.lanes.slice(start)) {
    let after: string | undefined;
    if (lane === from?.lane) {
      after = from.key;
      const rest = await secretsOf(store, asked, lane, [from.key]);
      yield rest.filter(({ version }) => version > from.version);
    }
    for (let whole = false; !whole; ) {
      const page = await keysIn(store, asked, lane, after);
      if (page.keyIds.length > 0) yield await secretsOf(store, asked, lane, page.keyIds);
      ({ whole } = page);
      after = page.keyIds.at(-1);
    }
  }
}

async function keysIn(store: Store, { tokenIds }: Asked, lane: string, after: string | undefined) {
  const limit = PAGE;
  if (!tokenIds.has(lane)) {
    const rows = await store.list("key", { equals: { consumer_id: lane } }, { after, limit });
    return { keyIds: rows.map(({ value }) => value.id), whole: rows.length < limit };
  }
  // Rows of custody sort by key: behind all of the last one. Those of tokens come after those of keys.
  const behind = after === undefined ? undefined : `${after}~`;
  const rows = await store.list("custodian", { equals: { who: lane } }, { after: behind, limit });
  const keyIds = [...new Set(rows.flatMap(({ value }) => value.keyId ?? []))];
  return { keyIds, whole: rows.length < limit || keyIds.length === 0 };
}

/** Of those among these keys that are met in this lane. */
async function secretsOf(store: Store, asked: Asked, lane: string, keyIds: readonly string[]): Promise<MetSecret[]> {
  const { who, tokenIds, now } = asked;
  const keys = new Map((await allOf(store, "key", "id", keyIds)).map((key) => [key.id, key]));
  const sights = await sightsOf(store, tokenIds, keyIds);
  const rotations = await rotationsOf(store, keys.values());
  const own = new Set(who.tokens.map(({ id }) => id));
  const holders = new Set(who.consumers.map(({ id }) => id));
  const laneOf = (key: Key) => {
    const by = [...(sights.get(key.id)?.values() ?? [])].flatMap((sight) => [...sight.by]).sort();
    return by[0] ?? key.consumerId;
  };
  const secrets = (await allOf(store, "version", "key_id", keys.keys())).flatMap((version): MetSecret[] => {
    const key = keys.get(version.keyId) as Key;
    const sight = sights.get(key.id)?.get(version.number);
    const isHeld = holders.has(key.consumerId);
    if ((sight === undefined && !isHeld) || laneOf(key) !== lane) return [];
    const rotation = rotations.get(key.rotationId ?? "");
    return [
      {
        key,
        version: version.number,
        state: stateOf(key, version, rotation, now),
        exposed: key.status !== "revoked" && (isAccepted(version.state) || mayComeBack(rotation, version.number)),
        ways: [...(sight?.ways ?? []), ...(isHeld ? (["held"] as const) : [])],
        through: isHeld || sight === undefined ? null : throughOf(sight, own),
        at: sight?.at ?? version.createdAt,
        rotationId: key.rotationId,
        lane,
      },
    ];
  });
  return secrets.sort((a, b) => (a.key.id === b.key.id ? a.version - b.version : a.key.id < b.key.id ? -1 : 1));
}

function throughOf({ by }: Sight, own: ReadonlySet<string>): string | null {
  const others = [...by].sort();
  return others.some((who) => own.has(who)) ? null : (others[0] ?? null);
}

async function tokensOf(store: Store, who: Who, now: number): Promise<ReachedToken[]> {
  const works = (token: Token) => token.revokedAt === null && !isExpired(token, now);
  const reached = new Map(
    who.tokens.map((token) => [token.id, { token, madeWith: null as string | null, works: works(token) }]),
  );
  for (let newest = [...reached.keys()]; newest.length > 0; ) {
    const made = (await allOf(store, "custodian", "who", newest)).filter(({ tokenId }) => tokenId !== null);
    const madeWith = new Map(made.map(({ tokenId, who: maker }) => [tokenId ?? "", maker]));
    const fresh = [...madeWith.keys()].filter((id) => !reached.has(id));
    for (const token of await allOf(store, "token", "id", fresh))
      reached.set(token.id, { token, madeWith: madeWith.get(token.id) ?? null, works: works(token) });
    newest = fresh.filter((id) => reached.has(id));
  }
  return [...reached.values()];
}

async function rotationsOf(store: Store, keys: Iterable<Key>): Promise<Map<string, Rotation>> {
  const ids = [...keys].flatMap(({ rotationId }) => rotationId ?? []);
  return new Map((await allOf(store, "rotation", "id", ids)).map((rotation) => [rotation.id, rotation]));
}

function stateOf(key: Key, version: Version, rotation: Rotation | undefined, now: number): SecretState {
  if (key.status === "revoked" || version.state === "destroyed") return "done";
  // After a rollback it is the successor that goes.
  const leaving = rotation?.phase === "rolled-back" ? rotation.to : rotation?.from;
  if (rotation !== undefined && version.number === leaving) return "replacing";
  if (!isAccepted(version.state)) return "done";
  return key.status === "active" && !isExpired(key, now) ? "works" : "dormant";
}
