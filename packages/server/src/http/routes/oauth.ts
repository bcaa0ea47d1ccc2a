/**
 * OAuth 2.0 Token Revocation (RFC 7009), for whatever speaks it: whoever has a key's text can have that version of it killed, as an operator's
 * emergency does (engine/rotations.ts). A leaked key is found by its holder, by a scanner, by a stranger; none of them should have to look for
 * its handle first.
 *
 *     no Authorization, or the key itself   its text is proof enough: who holds it could do worse with it than end it
 *     a token                               an operator's for every key, a consumer's for its own; the audit log then names it
 *
 * The answer is 200 whether there was something to end or not (§2.2); what is refused already stays as it is, and is noted once.
 */
import {
  clientCredential,
  FORM_BYTES_MAX,
  isAccepted,
  type Key,
  type OauthErrorCode,
  oauthError,
  parseKeyText,
  readForm,
  sha256Text,
  TOKEN_PREFIX,
  type Version,
} from "@keyover/core";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { z } from "zod";
import { refusalOf } from "../../restore/restorations.ts";
import type { Token } from "../../store/entities.ts";
import { access } from "../auth.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import { call } from "./call.ts";

const FORM = "application/x-www-form-urlencoded";

const presented = z
  .object({
    token: z.string().max(20_000).describe("The key, as it is presented to the API."),
    token_type_hint: z.string().optional().describe("Passed over."),
  })
  .meta({ id: "PresentedToken" });

const refused = z
  .object({ error: z.string(), error_description: z.string() })
  .meta({ id: "OauthError" })
  .describe("Refused; `error` is one of RFC 6749 §5.2 or RFC 7009 §2.2.1.");

export function oauthRoutes(app: App, rooms: Rooms): void {
  // A room of its own: no other call takes forms, and none answers in OAuth's words.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(FORM, { parseAs: "string", bodyLimit: FORM_BYTES_MAX }, (_request, body, done) => {
      const form = readForm(body as string);
      if (typeof form === "string") done(Object.assign(new Error(form), { code: "KEYOVER_FORM", statusCode: 400 }));
      else done(null, Object.fromEntries(form));
    });
    scope.setErrorHandler((error: FastifyError, _request, reply) => {
      if (hasZodFastifySchemaValidationErrors(error))
        return refuse(reply, 400, "invalid_request", "The parameter token is needed, of at most 20000 characters.");
      const { statusCode = 500, code, message } = error;
      if (statusCode >= 500) throw error;
      const sentence: Record<string, string> = {
        KEYOVER_FORM: message,
        FST_ERR_CTP_INVALID_MEDIA_TYPE: `Content-Type must be ${FORM}.`,
        FST_ERR_CTP_BODY_TOO_LARGE: `At most ${FORM_BYTES_MAX} bytes are taken.`,
      };
      const status = code === "FST_ERR_CTP_BODY_TOO_LARGE" ? 413 : 400;
      return refuse(reply, status, "invalid_request", sentence[code] ?? "The request can not be read.");
    });
    revocation(scope as unknown as App, rooms);
  });
}

function revocation(app: App, { world, store, tokens, rotations, restorations }: Rooms): void {
  /** The caller's token; undefined if it shows none but the key itself, "unknown" if there is none like it. */
  const callerOf = async ({ headers }: FastifyRequest, text: string): Promise<Token | "unknown" | undefined> => {
    const credential = clientCredential(headers.authorization);
    if (credential === undefined || credential.secrets.includes(text)) return undefined;
    for (const secret of credential.secrets) {
      const token = await tokens.authenticate(secret);
      if (token !== undefined) return token;
    }
    return "unknown";
  };

  const find = async (text: string): Promise<{ key: Key; version: Version } | undefined> => {
    const [version] = await store.list("version", { equals: { sha256: sha256Text(text) } }, { limit: 1 });
    const key = version === undefined ? undefined : (await store.get("key", version.value.keyId))?.value;
    return version === undefined || key === undefined ? undefined : { key, version: version.value };
  };

  app.post(
    "/v1/oauth/revoke",
    call(
      {
        tag: "holder",
        id: "revokePresentedKey",
        summary: "This key has leaked, or is not needed: refuse it now (RFC 7009)",
        description:
          "Kills the version whose text this is, as an emergency does; a successor waits for the consumer. Without Authorization the text is proof enough. With it, a token: as Bearer, or as the password of Basic. 200 also for what is unknown, or refused already.",
        access: access.public,
      },
      { body: presented, consumes: [FORM] },
      {
        200: z.null().describe("It is refused, if it ever was accepted."),
        400: refused,
        401: refused,
        403: refused,
        413: refused,
      },
    ),
    async (request, reply) => {
      void reply.header("cache-control", "no-store");
      const text = request.body.token;
      const caller = await callerOf(request, text);
      if (caller === "unknown") {
        void reply.header("www-authenticate", 'Bearer realm="keyover", Basic realm="keyover"');
        return refuse(reply, 401, "invalid_client", "The token in Authorization is unknown, revoked or expired.");
      }
      if (caller !== undefined) request.principal = { kind: "token", id: caller.id, token: caller };
      const prefix = parseKeyText(text)?.prefix;
      if (prefix === TOKEN_PREFIX)
        return refuse(reply, 400, "unsupported_token_type", "Tokens of the authority are revoked by an administrator.");
      const held = prefix === undefined ? undefined : await find(text);
      if (held === undefined) {
        // A restored database may lack what was issued after its backup: nobody may be told that such a key is ended.
        const suspect = (await restorations.waiting()).find(({ reconciledAt }) => reconciledAt === null);
        if (prefix !== undefined && suspect !== undefined) return sendRefusal(reply, refusalOf(suspect, suspect.after));
        return done(reply);
      }
      const { key, version } = held;
      if (isEnded(held)) return done(reply);
      if (caller !== undefined && !mayRevoke(caller, key))
        return refuse(reply, 403, "unauthorized_client", "This token may not revoke that key.");
      const reason = caller === undefined ? "revoked by its holder" : "revoked with a token";
      const outcome = await rotations.emergency(
        key.id,
        { mode: "kill", version: version.number, reason: `${reason} (RFC 7009)` },
        { actor: caller?.id ?? key.id },
      );
      if (outcome.ok) return done(reply);
      // Somebody else was at it: what counts is whether it is refused now.
      const now = await find(text);
      if (now === undefined || !isAcceptedYet(now)) return done(reply);
      world.log("warn", "revocation.not_done", { key: key.id, version: version.number, code: outcome.code });
      return sendProblem(reply, "storage_unavailable", "the key could not be revoked now; it is accepted yet");
    },
  );
}

/** Refused for good, and known to be in wrong hands: nothing is to be done, nor to be written down again. */
function isEnded({ key, version }: { key: Key; version: Version }): boolean {
  return key.status === "revoked" || (!isAccepted(version.state) && version.compromised);
}

function isAcceptedYet({ key, version }: { key: Key; version: Version }): boolean {
  return key.status !== "revoked" && isAccepted(version.state);
}

function mayRevoke({ role, consumerId }: Token, key: Key): boolean {
  return role === "admin" || role === "operator" || (role === "consumer" && consumerId === key.consumerId);
}

function done(reply: FastifyReply): FastifyReply {
  return reply.code(200).send();
}

function refuse(reply: FastifyReply, status: number, code: OauthErrorCode, description: string): FastifyReply {
  return reply
    .code(status)
    .header("content-type", "application/json")
    .header("cache-control", "no-store")
    .serializer((body: unknown) => JSON.stringify(body))
    .send(oauthError(code, description));
}
