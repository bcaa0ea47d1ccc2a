/**
 * `Idempotency-Key` on writes: the answer is stored in the commit that it reports, so that a repeated request gets the same answer
 * and changes nothing twice, however often the connection or the server dies in between. Secrets are not in the stored answer; they
 * are put back from their sealed copy while there is one.
 */
import { hash } from "node:crypto";
import type { Clock } from "@keyover/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Custody, SealedFor } from "../custody/custody.ts";
import type { Command } from "../keys/key-desk.ts";
import type { IdempotencyRecord, Store } from "../store/store.ts";
import { actorOf } from "./auth.ts";
import { sendProblem } from "./problems.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set where the request carries a new Idempotency-Key: its record's id and fingerprint. */
    idempotency: { id: string; request: string; answered: () => void } | undefined;
  }
}

const KEY = /^[\x21-\x7e]{1,200}$/;

export function useIdempotency(app: FastifyInstance, store: Store, custody: Custody): void {
  app.decorateRequest("idempotency", undefined);
  /** Requests being answered, by id: the same one again waits for the first, and is answered alike. */
  const underWay = new Map<string, Promise<void>>();
  app.addHook("onResponse", async ({ idempotency }) => idempotency?.answered());
  app.addHook("preHandler", async (request, reply) => {
    const header = request.headers["idempotency-key"];
    if (header === undefined || request.method === "GET") return;
    if (typeof header !== "string" || !KEY.test(header)) {
      return sendProblem(reply, "invalid_request", "Idempotency-Key takes 1 to 200 visible ASCII characters");
    }
    // By its hash: whatever a client takes for a key of this kind, it is not ours to keep.
    const id = `${actorOf(request)} ${hash("sha256", header, "base64url")}`;
    const fingerprint = hash(
      "sha256",
      `${request.method} ${request.url}\n${JSON.stringify(request.body ?? null)}`,
      "base64url",
    );
    for (let first = underWay.get(id); first !== undefined; first = underWay.get(id)) await first;
    const answered = begin(underWay, id);
    request.idempotency = { id, request: fingerprint, answered };
    // A caller that hangs up gets no response; its repetition must not wait for one.
    reply.raw.once("close", answered);
    const known = await store.idempotency(id);
    if (known === undefined) return;
    if (known.request !== fingerprint) return sendProblem(reply, "idempotency_mismatch");
    return replay(reply, known, store, custody);
  });
  // Another process was faster with the same request: its answer is the answer.
  app.addHook("onSend", async ({ idempotency }, reply, payload) => {
    if (idempotency === undefined || reply.statusCode !== CONFLICT) return payload;
    const known = await store.idempotency(idempotency.id);
    if (known?.request !== idempotency.request) return payload;
    return JSON.stringify(await replayed(reply, known, store, custody));
  });
}

const CONFLICT = 409;

/** Notes that this id is being answered; the answer ends that. */
function begin(underWay: Map<string, Promise<void>>, id: string): () => void {
  let resolve = () => {};
  const done = new Promise<void>((settle) => {
    resolve = settle;
  });
  underWay.set(id, done);
  return () => {
    if (underWay.get(id) === done) underWay.delete(id);
    resolve();
  };
}

async function replay(
  reply: FastifyReply,
  known: IdempotencyRecord,
  store: Store,
  custody: Custody,
): Promise<FastifyReply> {
  const body = await replayed(reply, known, store, custody);
  return reply.serializer((payload: unknown) => JSON.stringify(payload)).send(body);
}

/** The body of an answer that was given before; its status and headers are set. */
async function replayed(
  reply: FastifyReply,
  known: IdempotencyRecord,
  store: Store,
  custody: Custody,
): Promise<Record<string, unknown>> {
  const body = known.body as Record<string, unknown>;
  const sealed = known.sealedId === null ? undefined : await store.get("sealed", known.sealedId);
  if (sealed !== undefined) {
    const { keyId, version, id, envelope } = sealed.value;
    const belongsTo: SealedFor =
      keyId === null
        ? { owner: id, version: 1, purpose: "token" }
        : { owner: keyId, version: version ?? 0, purpose: "claim" };
    body.secret = custody.open(envelope, belongsTo).reveal();
  }
  void reply
    .code(known.status)
    .header("idempotency-replayed", "true")
    .header("content-type", "application/json; charset=utf-8");
  return body;
}

/** The command for a handler: who asks, and how the answer is remembered. `sealedId` names the secret that belongs in it. */
export function commandOf<T>(
  request: FastifyRequest,
  clock: Clock,
  answer: (value: T) => { status: number; body: unknown; sealedId?: string | undefined },
): Command<T> {
  const { idempotency } = request;
  if (idempotency === undefined) return { actor: actorOf(request) };
  return {
    actor: actorOf(request),
    remember(value) {
      const { status, body, sealedId } = answer(value);
      const { id, request: fingerprint } = idempotency;
      return { id, request: fingerprint, status, body, sealedId: sealedId ?? null, createdAt: clock.now() };
    },
  };
}
