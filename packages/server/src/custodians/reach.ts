/**
 * Everything that somebody could have seen, and what of it still works.
 *
 *     their tokens ──▶ tokens that were made with those ──▶ tokens made with those …     (a token is shown to who makes it)
 *           └───────────────┴──▶ versions that were shown to any of them (keys/sights.ts)
 *     a consumer ──▶ every version of each of its keys
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
  /** What works comes first. */
  secrets: ReachedSecret[];
}

/** `direct`: only what was shown to their own tokens. */
export async function reachOf(store: Store, who: Who, now: number, direct: boolean): Promise<Reach> {
  const tokens = await tokensOf(store, who, now);
  const asked = direct ? tokens.filter(({ madeWith }) => madeWith === null) : tokens;
  const sights = await sightsOf(store, new Set(asked.map(({ token }) => token.id)));
  const own = new Set(who.tokens.map(({ id }) => id));
  const held = await allOf(
    store,
    "key",
    "consumer_id",
    who.consumers.map(({ id }) => id),
  );
  const seen = await allOf(store, "key", "id", sights.keys());
  const keys = new Map([...held, ...seen].map((key) => [key.id, key]));
  const rotations = await rotationsOf(store, keys.values());
  const heldIds = new Set(held.map(({ id }) => id));
  const secrets = (await allOf(store, "version", "key_id", keys.keys())).flatMap((version): ReachedSecret[] => {
    const key = keys.get(version.keyId) as Key;
    const sight = sights.get(key.id)?.get(version.number);
    const isHeld = heldIds.has(key.id);
    if (sight === undefined && !isHeld) return [];
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
      },
    ];
  });
  return { who, tokens, secrets: secrets.sort(byState) };
}

function byState(a: ReachedSecret, b: ReachedSecret): number {
  const rank = ({ state }: ReachedSecret) => secretStates.indexOf(state);
  const id = ({ key }: ReachedSecret) => key.id;
  return rank(a) - rank(b) || (id(a) === id(b) ? a.version - b.version : id(a) < id(b) ? -1 : 1);
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
