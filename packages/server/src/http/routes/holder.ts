/**
 * For the consumer's own program: find out that a key changes over, take the successor, say that it is held.
 *
 * A leaked key must not be enough to take its successor and lock the owner out (docs/threats.md). So the default is the consumer's
 * token; the old version itself may ask for its successor only where the key's policy says `claim: self`, and never once it is
 * marked compromised, killed, or comes from a network that its fence or the key does not allow (auth.ts refuses those).
 */
import {
  type Changeover,
  isAccepted,
  type Key,
  type Rotation,
  sleep,
  suggestedWindow,
  targetVersion,
  type Version,
} from "@keyover/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { Holder } from "../../engine/rotations.ts";
import { refusalOf } from "../../restore/restorations.ts";
import { access, actorOf, ownsKey } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { rotationView } from "../views.ts";
import { call } from "./call.ts";

const params = z.object({ rotation: shape.handle });

/** A holder without news asks again after this; one whose rotation is on its way, sooner. */
const POLL_IDLE_MS = 60_000;
const POLL_BUSY_MS = 2_000;
/** An offer takes milliseconds, or a verifier is away: for two seconds in sum, few looks after the first. */
const OFFER_LOOKS_MS = [50, 50, 100, ...Array<number>(9).fill(200)];

export function holderRoutes(app: App, rooms: Rooms): void {
  const { world, store, rotations, restorations } = rooms;

  /** The key and version that the caller asks about: its own, or the one with this hash among its consumer's. */
  const heldVersion = async (
    request: FastifyRequest,
    sha256: string | undefined,
  ): Promise<{ key: Key; version: Version } | undefined> => {
    const { principal } = request;
    if (principal?.kind === "key" && (sha256 === undefined || sha256 === principal.version.sha256)) return principal;
    if (sha256 === undefined) return undefined;
    const [version] = await store.list("version", { equals: { sha256 } }, { limit: 1 });
    const key = version === undefined ? undefined : (await store.get("key", version.value.keyId))?.value;
    return version !== undefined && key !== undefined && ownsKey(request, key)
      ? { key, version: version.value }
      : undefined;
  };

  /** The rotation and its key, if the caller holds the key. */
  const heldRotation = async (
    request: FastifyRequest,
    id: string,
  ): Promise<{ rotation: Rotation; key: Key } | undefined> => {
    const rotation = (await store.get("rotation", id))?.value;
    const key = rotation === undefined ? undefined : (await store.get("key", rotation.keyId))?.value;
    return rotation !== undefined && key !== undefined && ownsKey(request, key) ? { rotation, key } : undefined;
  };

  /** A killed version works nowhere. Whoever asks with it has no time to ask again: the answer waits a little for the offer. */
  const rotationOf = async ({ rotationId }: Key, { state }: Version): Promise<Rotation | undefined> => {
    const read = async () => (rotationId === null ? undefined : (await store.get("rotation", rotationId))?.value);
    let rotation = await read();
    for (const afterMs of isAccepted(state) ? [] : OFFER_LOOKS_MS) {
      if (rotation?.phase !== "propagating") break;
      await sleep(world.clock, afterMs);
      rotation = await read();
    }
    return rotation;
  };

  app.post(
    "/v1/changeover",
    call(
      {
        tag: "holder",
        id: "getChangeover",
        summary: "Which version should I be on?",
        description:
          "With a consumer's token: send the SHA-256 of the secret in use. With the key itself as the bearer: send an empty object.",
        access: access.hold,
      },
      { body: shape.changeoverAsk },
      { 200: shape.changeover },
    ),
    async (request, reply) => {
      const held = await heldVersion(request, request.body.sha256);
      // What a restored database says of a key, or does not know of it, may be old.
      const suspect = (await restorations.waiting()).find(
        ({ id, reconciledAt }) => reconciledAt === null && (held === undefined || held.key.apiId === id),
      );
      if (suspect !== undefined) return sendRefusal(reply, refusalOf(suspect, suspect.after));
      if (held === undefined)
        return sendProblem(reply, "not_found", "no key of this consumer has a version with that hash");
      const rotation = await rotationOf(held.key, held.version);
      const now = world.clock.now();
      const answer = changeoverOf(held.key, held.version, rotation, mayClaim(request, rotation), now);
      // For those who read no JSON: the same, in whole seconds.
      void reply.header("retry-after", String(Math.ceil(answer.pollAfterMs / 1_000)));
      return answer;
    },
  );

  app.post(
    "/v1/rotations/:rotation/claim",
    call(
      {
        tag: "holder",
        id: "claimSuccessor",
        summary: "Take the successor",
        description:
          "Answers the same secret each time until the successor has been used; then the server has forgotten it.",
        access: access.hold,
      },
      { params, body: shape.nothing },
      { 200: shape.claim },
    ),
    async (request, reply) => {
      const held = await heldRotation(request, request.params.rotation);
      if (held === undefined) return sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`);
      if (!mayClaim(request, held.rotation))
        return sendProblem(
          reply,
          "claim_not_allowed",
          "the successor of this key is handed to a token of its consumer, not to the old version",
        );
      const outcome = await rotations.claim(held.rotation.id, holderOf(request));
      if (!outcome.ok) return sendRefusal(reply, outcome);
      const { rotation, secret } = outcome.value;
      void reply.header("cache-control", "no-store");
      return {
        rotation: rotation.id,
        key: rotation.keyId,
        version: rotation.to,
        secret: secret.reveal(),
        endsAt: rotation.overlapEndsAt,
      };
    },
  );

  app.post(
    "/v1/rotations/:rotation/extend",
    call(
      {
        tag: "holder",
        id: "extendOverlap",
        summary: "Move the deadline later, as far as the policy lets the consumer",
        description:
          "By the consumer's token or the key itself: what can be gained is bounded by consumerMayExtendMs, and a leaked version gets nothing.",
        access: access.hold,
      },
      { params, body: shape.extension },
      { 200: shape.rotation },
    ),
    async (request, reply) => {
      const held = await heldRotation(request, request.params.rotation);
      if (held === undefined) return sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`);
      const command = commandOf<Rotation>(request, world.clock, (rotation) => ({
        status: 200,
        body: rotationView(rotation),
      }));
      const outcome = await rotations.extend(held.rotation.id, request.body.byMs, holderOf(request), command);
      return outcome.ok ? rotationView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/rotations/:rotation/confirm",
    call(
      {
        tag: "holder",
        id: "confirmSuccessor",
        summary: "Say that the successor is held",
        description: "Opens the overlap. The server still forgets the secret only once it has been used.",
        access: access.hold,
      },
      { params, body: z.object({ version: z.int().optional() }).nullish() },
      { 200: shape.rotation },
    ),
    async (request, reply) => {
      const held = await heldRotation(request, request.params.rotation);
      if (held === undefined) return sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`);
      if (!mayConfirm(request, held.rotation))
        return sendProblem(
          reply,
          "claim_not_allowed",
          "only a token of the consumer, or the successor itself, can say that the successor is held",
        );
      const command = commandOf<Rotation>(request, world.clock, (rotation) => ({
        status: 200,
        body: rotationView(rotation),
      }));
      const outcome = await rotations.confirm(held.rotation.id, holderOf(request), command);
      return outcome.ok ? rotationView(outcome.value) : sendRefusal(reply, outcome);
    },
  );
}

/** A token of the consumer always; the key itself where the policy trusts it. */
export function mayClaim(request: FastifyRequest, rotation: Rotation | undefined): boolean {
  return request.principal?.kind === "token" || rotation?.policy.claim === "self";
}

function holderOf(request: FastifyRequest): Holder {
  const { principal } = request;
  return { actor: actorOf(request), version: principal?.kind === "key" ? principal.version.number : undefined };
}

/** Whoever may claim; and the successor, because who presents it holds it. */
function mayConfirm(request: FastifyRequest, rotation: Rotation): boolean {
  return (
    mayClaim(request, rotation) ||
    (request.principal?.kind === "key" && request.principal.version.number === rotation.to)
  );
}

export function changeoverOf(
  key: Key,
  version: Version,
  rotation: Rotation | undefined,
  allowed: boolean,
  now: number,
): Changeover {
  const shown =
    rotation !== undefined && rotation.phase !== "planned" && rotation.phase !== "propagating" ? rotation : undefined;
  const base = { now, key: key.id, environment: key.environment, version: version.number };
  if (shown === undefined) {
    const target = isAccepted(version.state) ? version.number : key.currentVersion;
    return { ...base, target, rotation: null, pollAfterMs: rotation === undefined ? POLL_IDLE_MS : POLL_BUSY_MS };
  }
  const suggested = suggestedWindow(shown, now);
  const target = targetVersion(shown);
  const aheadMs = Math.min(suggested.from - now, POLL_IDLE_MS);
  return {
    ...base,
    target,
    rotation: {
      id: shown.id,
      phase: shown.phase,
      from: shown.from,
      to: shown.to,
      claimable:
        allowed && shown.claimEndedAt === null && shown.phase !== "rolled-back" && shown.origin === "authority",
      endsAt: shown.overlapEndsAt,
      suggested,
    },
    pollAfterMs: target === version.number ? POLL_IDLE_MS / 4 : Math.max(POLL_BUSY_MS, aheadMs),
  };
}
