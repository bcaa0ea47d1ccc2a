/** Credentials for the authority itself: made once, kept as hashes, checked on every call. */
import { makeHandle, makeKeyText, parseKeyText, sha256Text, TOKEN_PREFIX, type World } from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { Secret } from "../custody/secret.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import { tokenCustodian } from "../store/custodian-entities.ts";
import { isExpired, type Role, type Token } from "../store/entities.ts";
import { put, type Store } from "../store/store.ts";
import type { Command, KeyDesk } from "./key-desk.ts";
import { Recent } from "./recent.ts";

export interface NewToken {
  name: string;
  role: Role;
  apiIds: string[];
  environments: string[];
  consumerId: string | null;
  owner?: string | null | undefined;
  expiresAt: number | null;
}

export interface Tokens {
  create(wanted: NewToken, command: Command<Token>): Promise<Outcome<{ token: Token; secret: Secret }>>;
  /** `why`: for the audit log. */
  revoke(tokenId: string, command: Command<Token>, why?: Record<string, unknown>): Promise<Outcome<Token>>;
  /** Says whose it is. */
  assign(tokenId: string, owner: string | null, command: Command<Token>): Promise<Outcome<Token>>;
  /** The token with this text, if it is one, is not revoked and has not expired. */
  authenticate(text: string): Promise<Token | undefined>;
  /** Whether the token with this handle would still be let in. */
  isValid(tokenId: string): Promise<boolean>;
  /** Another process may have changed one. */
  forget(): void;
}

/** A repeated creation with the same Idempotency-Key gets the same secret for this long. */
const SEALED_MS = 3_600_000;

export function createTokens({
  world,
  store,
  desk,
  custody,
}: {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
}): Tokens {
  const recent = new Recent<Token>(world.clock);
  const isLetIn = (token: Token) => token.revokedAt === null && !isExpired(token, world.clock.now());
  return {
    async create(wanted, command) {
      const problem = await tokenProblem(store, wanted);
      if (problem !== undefined) return problem;
      const now = world.clock.now();
      const text = makeKeyText(TOKEN_PREFIX, wanted.role, world.random);
      const token: Token = {
        ...wanted,
        id: makeHandle("token", now, world.random),
        sha256: sha256Text(text),
        revokedAt: null,
        createdAt: now,
        createdBy: command.actor,
      };
      const custodian = tokenCustodian(token.id, command.actor, now);
      const secret = new Secret(text);
      const envelope = custody.seal(secret, { owner: token.id, version: 1, purpose: "token" });
      const sealed = {
        id: token.id,
        keyId: null,
        version: null,
        rotationId: null,
        envelope,
        expiresAt: now + SEALED_MS,
        createdAt: now,
      };
      const outcome = await desk.commit({
        writes: [put("token", token), put("sealed", sealed), put("custodian", custodian)],
        audit: [
          { at: now, actor: command.actor, action: "token.created", subjects: [token.id], details: { ...wanted } },
        ],
        feed: [],
        idempotency: command.remember?.(token),
      });
      return outcome.ok ? accept({ token, secret }) : outcome;
    },

    async revoke(tokenId, command, why = {}) {
      const held = await store.get("token", tokenId);
      if (held === undefined) return refuse("not_found", `there is no token ${tokenId}`);
      if (held.value.revokedAt !== null) return accept(held.value);
      const now = world.clock.now();
      const token = { ...held.value, revokedAt: now };
      const outcome = await desk.commit({
        writes: [put("token", token, held), { remove: "sealed", id: token.id }],
        audit: [{ at: now, actor: command.actor, action: "token.revoked", subjects: [token.id], details: why }],
        feed: [],
        idempotency: command.remember?.(token),
      });
      recent.forget();
      return outcome.ok ? accept(token) : outcome;
    },

    async assign(tokenId, owner, command) {
      const held = await store.get("token", tokenId);
      if (held === undefined) return refuse("not_found", `there is no token ${tokenId}`);
      if ((held.value.owner ?? null) === owner) return accept(held.value);
      const token = { ...held.value, owner };
      const details = { owner, before: held.value.owner ?? null };
      const at = world.clock.now();
      const outcome = await desk.commit({
        writes: [put("token", token, held)],
        audit: [{ at, actor: command.actor, action: "token.assigned", subjects: [token.id], details }],
        feed: [],
        idempotency: command.remember?.(token),
      });
      recent.forget();
      return outcome.ok ? accept(token) : outcome;
    },

    async authenticate(text) {
      if (parseKeyText(text)?.prefix !== TOKEN_PREFIX) return undefined;
      const sha256 = sha256Text(text);
      const token = await recent.get(sha256, async () => {
        const [held] = await store.list("token", { equals: { sha256 } }, { limit: 1 });
        return held?.value;
      });
      return token !== undefined && isLetIn(token) ? token : undefined;
    },

    async isValid(tokenId) {
      const held = await store.get("token", tokenId);
      return held !== undefined && isLetIn(held.value);
    },

    forget: () => recent.forget(),
  };
}

async function tokenProblem(store: Store, wanted: NewToken) {
  if (wanted.role === "verifier" && wanted.apiIds.length === 0) {
    return refuse("invalid_request", "a verifier's token names the apis that it may follow");
  }
  if (wanted.role !== "verifier" && (wanted.apiIds.length > 0 || wanted.environments.length > 0)) {
    return refuse("invalid_request", "only a verifier's token names apis and environments");
  }
  if ((wanted.role === "consumer") !== (wanted.consumerId !== null)) {
    return refuse("invalid_request", "a consumer's token, and no other, names its consumer");
  }
  if (wanted.consumerId !== null && (await store.get("consumer", wanted.consumerId)) === undefined) {
    return refuse("not_found", `there is no consumer ${wanted.consumerId}`);
  }
  for (const apiId of wanted.apiIds) {
    const api = (await store.get("api", apiId))?.value;
    if (api === undefined) return refuse("not_found", `there is no api ${apiId}`);
    const unknown = wanted.environments.filter((name) => !api.environments.includes(name));
    if (unknown.length > 0) {
      return refuse("unknown_environment", `${api.name} has the environments ${api.environments.join(", ")}`, {
        known: api.environments,
      });
    }
  }
  return undefined;
}
