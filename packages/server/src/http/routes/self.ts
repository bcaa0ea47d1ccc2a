/**
 * A key asks when it best moves, as a certificate's holder asks its authority (RFC 9773): a window that is the same for everybody, and a time in
 * it that is this caller's own and stays the same however often it asks. Read only, and without a credential in the answer: for whoever wants
 * no more than to plan. Where the successor is, and how to take it, is the changeover's answer (holder.ts).
 */
import { nextBrownout, type Rotation, sha256Text } from "@keyover/core";
import type { FastifyRequest } from "fastify";
import { refusalOf } from "../../restore/restorations.ts";
import { access } from "../auth.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { call } from "./call.ts";
import { changeoverOf, mayClaim } from "./holder.ts";

export function selfRoutes(app: App, { world, store, restorations }: Rooms): void {
  app.get(
    "/v1/self/rotation",
    call(
      {
        tag: "holder",
        id: "getOwnRotation",
        summary: "When should I move?",
        description:
          "With the key itself as the bearer. Name the process in Keyover-Instance: each draws a time of its own from the window, otherwise each address does.",
        access: access.self,
      },
      {},
      { 200: shape.ownRotation },
    ),
    async (request, reply) => {
      const { principal } = request;
      if (principal?.kind !== "key") return sendProblem(reply, "unauthenticated");
      const { key, version } = principal;
      const suspect = (await restorations.waiting()).find(
        ({ id, reconciledAt }) => reconciledAt === null && key.apiId === id,
      );
      if (suspect !== undefined) return sendRefusal(reply, refusalOf(suspect, suspect.after));
      const rotation = key.rotationId === null ? undefined : (await store.get("rotation", key.rotationId))?.value;
      const now = world.clock.now();
      const {
        target,
        rotation: shown,
        pollAfterMs,
      } = changeoverOf(key, version, rotation, mayClaim(request, rotation), now);
      const moves = shown !== null && target !== version.number;
      const window = moves ? { start: shown.suggested.from, end: shown.suggested.to } : null;
      const brownout = rotation === undefined || version.number !== rotation.from ? undefined : nextBrownout(rotation);
      void reply.header("retry-after", String(Math.ceil(pollAfterMs / 1_000)));
      void reply.header("cache-control", "no-store");
      return {
        now,
        key: key.id,
        version: version.number,
        target,
        // Until the offer nobody outside needs to know of it, least of all who has stolen the key.
        rotation: shown?.id ?? null,
        phase: shown?.phase ?? null,
        successorWaits: moves && rotation !== undefined && waits(rotation),
        claimable: moves && shown.claimable,
        endsAt: shown?.endsAt ?? null,
        brownout: brownout === undefined ? null : { from: brownout.from, until: brownout.until },
        window,
        moveAt: window === null ? null : within(window, `${shown?.id} ${target} ${callerOf(request)}`),
      };
    },
  );
}

/** It lies sealed, for whoever may take it. */
function waits({ claimEndedAt, phase, origin }: Rotation): boolean {
  return claimEndedAt === null && phase !== "rolled-back" && origin === "authority";
}

const INSTANCE_MAX = 100;

/** One of several processes that hold the key, as far as it says; else where it calls from. */
function callerOf({ headers, ip }: FastifyRequest): string {
  const instance = headers["keyover-instance"];
  return typeof instance === "string" && instance !== "" ? instance.slice(0, INSTANCE_MAX) : ip;
}

/** The same moment for the same text; those of many texts are spread evenly. */
function within({ start, end }: { start: number; end: number }, text: string): number {
  const [a = 0, b = 0, c = 0] = Buffer.from(sha256Text(text), "base64url");
  return Math.floor(start + ((a * 65_536 + b * 256 + c) / 16_777_216) * (end - start));
}
