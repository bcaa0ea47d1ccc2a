/**
 * Who calls, and what they may. Each route declares its `access`; a route without one does not start. A caller is a token of the
 * authority, or, on the few routes that say so, the holder of an api key that presents the key itself.
 */
import {
  type Clock,
  compileNetworks,
  isAccepted,
  type Key,
  parseKeyText,
  sha256Text,
  TOKEN_PREFIX,
  type Version,
} from "@keyover/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Tokens } from "../keys/tokens.ts";
import { type Api, isExpired, type Role, type Token } from "../store/entities.ts";
import type { Store } from "../store/store.ts";
import { sendProblem } from "./problems.ts";

export type Access = "public" | { roles: readonly Role[]; key?: boolean | undefined };

export type Principal =
  | { kind: "token"; id: string; token: Token }
  | { kind: "key"; id: string; key: Key; version: Version };

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    principal: Principal | undefined;
    /** When the caller was last checked, on the monotonic clock. */
    checkedAt: number;
  }
}

/** What each group of calls is open to. */
export const access = {
  public: "public",
  administer: { roles: ["admin"] },
  operate: { roles: ["admin", "operator"] },
  read: { roles: ["admin", "operator", "auditor"] },
  /** Readers, and consumers for what is theirs. */
  readOwn: { roles: ["admin", "operator", "auditor", "consumer"] },
  /** Operators, and consumers for what is theirs. */
  operateOwn: { roles: ["admin", "operator", "consumer"] },
  /** The holder of a key: its consumer's token, or the key itself. */
  hold: { roles: ["consumer"], key: true },
  /** The key itself, for what any of its holders may know. */
  self: { roles: [], key: true },
  verify: { roles: ["admin", "verifier"] },
  follow: { roles: ["verifier"] },
} as const satisfies Record<string, Access>;

/** A body that comes this soon after its head is as good as one that comes with it. */
const ARRIVED_AT_ONCE_MS = 20;

export function useAuth(app: FastifyInstance, tokens: Tokens, store: Store, clock: Clock): void {
  app.decorateRequest("principal", undefined);
  app.decorateRequest("checkedAt", 0);
  app.addHook("onRoute", (route) => {
    if (route.url.startsWith("/docs")) route.config = { ...route.config, access: access.public };
    if (route.config?.access === undefined) throw new Error(`${String(route.method)} ${route.url} declares no access`);
  });
  const check = async (request: FastifyRequest, reply: FastifyReply) => {
    const allowed = request.routeOptions.config.access;
    if (allowed === undefined || allowed === "public") return;
    const text = bearerOf(request.headers.authorization);
    if (text === undefined) return sendProblem(reply, "unauthenticated");
    const principal = await principalOf(
      text,
      allowed.key === true ? { ip: request.ip, now: clock.now() } : undefined,
      tokens,
      store,
    );
    if (principal === undefined)
      return sendProblem(reply, "unauthenticated", "this token is unknown, revoked or expired");
    if (principal.kind === "token" && !allowed.roles.includes(principal.token.role)) {
      return sendProblem(
        reply,
        "forbidden",
        `this call is for ${[...allowed.roles, ...(allowed.key === true ? ["the key itself"] : [])].join(", ")}; the token's role is ${principal.token.role}`,
        { role: principal.token.role },
      );
    }
    request.principal = principal;
    request.checkedAt = clock.elapsed();
  };
  app.addHook("onRequest", check);
  // Again once the body is here: a caller may send its last byte long after its token was revoked.
  app.addHook("preHandler", async (request, reply) => {
    if (clock.elapsed() - request.checkedAt > ARRIVED_AT_ONCE_MS) await check(request, reply);
  });
}

function bearerOf(header: string | undefined): string | undefined {
  const match = /^Bearer +(\S{1,200})$/i.exec(header ?? "");
  return match?.[1];
}

interface Place {
  ip: string;
  now: number;
}

/** `place`: from where and when, if a key may speak for itself here. */
async function principalOf(
  text: string,
  place: Place | undefined,
  tokens: Tokens,
  store: Store,
): Promise<Principal | undefined> {
  const parsed = parseKeyText(text);
  if (parsed === undefined) return undefined;
  if (parsed.prefix === TOKEN_PREFIX) {
    const token = await tokens.authenticate(text);
    return token === undefined ? undefined : { kind: "token", id: token.id, token };
  }
  if (place === undefined) return undefined;
  const [version] = await store.list("version", { equals: { sha256: sha256Text(text) } }, { limit: 1 });
  const key = version === undefined ? undefined : (await store.get("key", version.value.keyId))?.value;
  if (version === undefined || key === undefined || !soundHolder(key, version.value, place)) return undefined;
  return { kind: "key", id: key.id, key, version: version.value };
}

/** A key speaks for itself only while it would be accepted by the API from this place, and is not known to have leaked. */
function soundHolder(key: Key, version: Version, { ip, now }: Place): boolean {
  if (key.status !== "active" || isExpired(key, now) || !isAccepted(version.state) || version.compromised) return false;
  const lists = key.networksMode === "report" ? [] : [key.networks, key.consumerNetworks ?? []];
  if (!lists.every((list) => compileNetworks(list).allows(ip))) return false;
  const fenced = version.fence?.networks;
  return fenced === undefined || (fenced.length > 0 && compileNetworks(fenced).allows(ip)); // an empty fence means nowhere
}

/** The caller's handle, for the audit log. */
export function actorOf(request: FastifyRequest): string {
  return request.principal?.id ?? "anonymous";
}

/** True if the caller may see and change this consumer's things. */
export function owns(request: FastifyRequest, consumerId: string): boolean {
  const { principal } = request;
  if (principal === undefined) return false;
  if (principal.kind === "key") return principal.key.consumerId === consumerId;
  return principal.token.role !== "consumer" || principal.token.consumerId === consumerId;
}

/** True if the key's holder calls about this key. */
export function ownsKey(request: FastifyRequest, key: Key): boolean {
  return request.principal?.kind === "key" ? request.principal.id === key.id : owns(request, key.consumerId);
}

/** The environments of an api that a verifier may follow (empty: all), or undefined if it may not follow the api. */
export function followedEnvironments(request: FastifyRequest, api: Api): string[] | undefined {
  const { principal } = request;
  if (principal?.kind !== "token" || !principal.token.apiIds.includes(api.id)) return undefined;
  return principal.token.environments;
}
