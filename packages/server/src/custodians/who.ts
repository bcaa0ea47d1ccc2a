/** Whom a text means: a token, whose tokens carry an owner, a consumer, or consumers that carry a label. */
import { isHandle } from "@keyover/core";
import { allOf } from "../keys/sights.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Consumer, Entities, Token } from "../store/entities.ts";
import type { Store } from "../store/store.ts";
import { ownerText } from "../store/tables.ts";

export const whoKinds = ["token", "owner", "consumer", "label"] as const;
export type WhoKind = (typeof whoKinds)[number];

export interface Who {
  kind: WhoKind;
  /** As it can be asked for again: `owner:ann@example.com`. */
  text: string;
  /** Their own. */
  tokens: Token[];
  /** All of whose keys were in their hands. */
  consumers: Consumer[];
}

const PAGE = 5_000;

type Finder = (store: Store, text: string) => Promise<Who | undefined>;

const finders: Record<WhoKind, Finder> = {
  async token(store, text) {
    const token = isHandle("token", text) ? (await store.get("token", text))?.value : undefined;
    return token === undefined ? undefined : { kind: "token", text: `token:${text}`, tokens: [token], consumers: [] };
  },
  async owner(store, text) {
    const owner = ownerText(text);
    const tokens = await allWith(store, "token", { equals: { owner } });
    return tokens.length === 0 ? undefined : { kind: "owner", text: `owner:${owner}`, tokens, consumers: [] };
  },
  async consumer(store, text) {
    const [held] = isHandle("consumer", text)
      ? await store.list("consumer", { oneOf: { column: "id", values: [text] } }, { limit: 1 })
      : await store.list("consumer", { equals: { name: text } }, { limit: 1 });
    return held === undefined ? undefined : ofConsumers(store, "consumer", `consumer:${held.value.id}`, [held.value]);
  },
  async label(store, text) {
    const at = text.indexOf("=");
    if (at < 1) return undefined;
    const labels = { [text.slice(0, at)]: text.slice(at + 1) };
    const consumers = await allWith(store, "consumer", { labels });
    return consumers.length === 0 ? undefined : ofConsumers(store, "label", `label:${text}`, consumers);
  },
};

async function ofConsumers(store: Store, kind: WhoKind, text: string, consumers: Consumer[]): Promise<Who> {
  const ids = consumers.map(({ id }) => id);
  return { kind, text, tokens: await allOf(store, "token", "consumer_id", ids), consumers };
}

/** One that is left out would go on working unseen. */
async function allWith<N extends "token" | "consumer">(
  store: Store,
  table: N,
  filter: Parameters<typeof store.list<N>>[1],
): Promise<Entities[N][]> {
  const all: Entities[N][] = [];
  for (;;) {
    const rows = await store.list(table, filter, { after: all.at(-1)?.id, limit: PAGE });
    all.push(...rows.map(({ value }) => value));
    if (rows.length < PAGE) return all;
  }
}

/** `owner:…` and the like say which is meant. */
export async function findWho(store: Store, asked: string): Promise<Outcome<Who>> {
  const text = asked.trim();
  const named = whoKinds.find((kind) => text.startsWith(`${kind}:`));
  const kinds = named === undefined ? whoKinds : [named];
  const name = named === undefined ? text : text.slice(named.length + 1).trim();
  const found = (await Promise.all(kinds.map((kind) => finders[kind](store, name)))).filter((who) => who !== undefined);
  const [who, other] = found;
  if (who === undefined) {
    const detail = `${asked} is neither a token's handle, nor an owner of tokens, nor a consumer, nor a label name=value of one`;
    return refuse("not_found", detail);
  }
  if (other === undefined) return accept(who);
  const meant = found.map((each) => each.text);
  return refuse("ambiguous", `${asked} may be ${meant.join(" or ")}; say which`, { meant });
}
