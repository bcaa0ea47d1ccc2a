/**
 * The names that people know for the handles that an answer holds. Only looked up where text is printed: `--json` is the answer as it came.
 * Each look-up is bounded, and what is not found, may not be read or comes too late stays a handle: a name is a courtesy, and whatever was
 * just done is done.
 */
import type { Call } from "./command-group.ts";
import { clean } from "./render.ts";

export interface Wanted {
  apis?: Iterable<string>;
  consumers?: Iterable<string>;
  keys?: Iterable<string>;
  tokens?: Iterable<string>;
}

export interface Names {
  /** `market`, or the handle again. */
  api: (id: string) => string;
  consumer: (id: string) => string;
  token: (id: string) => string;
  /** `acme: default`, of which consumer it is and how that calls it; undefined where it is not known. */
  key: (id: string) => string | undefined;
}

/** So many are asked for one by one; more come in pages. */
const SINGLE_MAX = 20;
const PAGE = 500;
const PAGES_MAX = 20;
/** There are no pages of keys by handle. */
const KEYS_MAX = 50;

/** What is known already, such as from the answer itself, need not be asked for. */
export async function namesOf(call: Call<object>, wanted: Wanted, known: Known = {}): Promise<Names> {
  const tables = { api: tableOf(known.apis), consumer: tableOf(known.consumers), token: tableOf(known.tokens) };
  const keys = new Map<string, { consumer: string; name: string }>();
  if (!call.options.json) await lookUp(call, wanted, tables, keys);
  const of = (table: Map<string, string>) => (id: string) => clean(table.get(id) ?? id);
  return {
    api: of(tables.api),
    consumer: of(tables.consumer),
    token: of(tables.token),
    key(id) {
      const found = keys.get(id);
      return found === undefined ? undefined : keyName(of(tables.consumer)(found.consumer), found.name);
    },
  };
}

/** The same wherever a key is told by its name. */
export function keyName(consumer: string, name: string): string {
  return clean(`${consumer}: ${name}`);
}

interface Named {
  id: string;
  name: string;
}

interface Known {
  apis?: readonly Named[];
  consumers?: readonly Named[];
  tokens?: readonly Named[];
}

type Table = Map<string, string>;
type Tables = Record<"api" | "consumer" | "token", Table>;

function tableOf(known: readonly Named[] = []): Table {
  return new Map(known.map(({ id, name }) => [id, name]));
}

async function lookUp(
  { api }: Call<object>,
  wanted: Wanted,
  tables: Tables,
  keys: Map<string, { consumer: string; name: string }>,
): Promise<void> {
  const some = [...new Set(wanted.keys ?? [])].slice(0, KEYS_MAX);
  await each(some, async (key) => {
    const { consumer, name } = await api.request("get", "/v1/keys/{key}", { params: { key } });
    keys.set(key, { consumer, name });
  });
  const consumers = [...(wanted.consumers ?? []), ...[...keys.values()].map(({ consumer }) => consumer)];
  await Promise.all([
    fill(tables.api, wanted.apis ?? [], {
      one: (id) => api.request("get", "/v1/apis/{api}", { params: { api: id } }),
      page: (query) => api.request("get", "/v1/apis", { query }),
    }),
    fill(tables.consumer, consumers, {
      one: (id) => api.request("get", "/v1/consumers/{consumer}", { params: { consumer: id } }),
      page: (query) => api.request("get", "/v1/consumers", { query }),
    }),
    fill(tables.token, wanted.tokens ?? [], { page: (query) => api.request("get", "/v1/tokens", { query }) }),
  ]);
}

interface Source {
  one?: (id: string) => Promise<Named>;
  page: (query: { limit: number; cursor?: string }) => Promise<{ items: Named[]; next: string | null }>;
}

async function fill(table: Table, wanted: Iterable<string>, { one, page }: Source): Promise<void> {
  const missing = new Set([...wanted].filter((id) => !table.has(id)));
  if (missing.size === 0) return;
  if (one !== undefined && missing.size <= SINGLE_MAX)
    return each([...missing], async (id) => void table.set(id, (await one(id)).name));
  let cursor: string | null = null;
  for (let pages = 0; pages < PAGES_MAX && missing.size > 0; pages++) {
    const found: Awaited<ReturnType<Source["page"]>> | undefined = await page({
      limit: PAGE,
      ...(cursor === null ? {} : { cursor }),
    }).catch(() => undefined);
    for (const { id, name } of found?.items ?? []) {
      if (missing.delete(id)) table.set(id, name);
    }
    cursor = found?.next ?? null;
    if (cursor === null) return;
  }
}

/** All at once; one that fails leaves the others as they are. */
async function each(ids: readonly string[], act: (id: string) => Promise<void>): Promise<void> {
  await Promise.all(ids.map((id) => act(id).catch(() => {})));
}
