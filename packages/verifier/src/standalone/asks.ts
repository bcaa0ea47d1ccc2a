/** `POST /verify` and `POST /verify/batch`: verdicts as JSON, for a gateway of one's own. */
import type { IncomingMessage } from "node:http";
import type { Verdict } from "@keyover/core";
import { STALE } from "../api-replica.ts";
import type { Verifier } from "../verifier.ts";
import { type Answer, json, problem } from "./answers.ts";
import {
  ASK_BYTES_MAX,
  type AskBody,
  asAsk,
  asBatch,
  BATCH_BYTES_MAX,
  type BodyProblem,
  isBodyProblem,
  readJson,
} from "./ask-bodies.ts";
import type { Endpoint, Tallies } from "./tallies.ts";

/** What stands in a batch's answer for an ask that is none: read as a verdict, it is a no. */
interface NoAsk {
  valid: false;
  code: BodyProblem["code"] | "not_found";
  detail: string;
}

export class Asks {
  readonly #verifier: Verifier;
  readonly #tallies: Tallies;
  readonly #defect: (error: unknown) => void;

  constructor(verifier: Verifier, tallies: Tallies, defect: (error: unknown) => void) {
    this.#verifier = verifier;
    this.#tallies = tallies;
    this.#defect = defect;
  }

  async one(request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request, ASK_BYTES_MAX);
    const ask = isBodyProblem(body) ? body : asAsk(body.value);
    if (isBodyProblem(ask)) return this.#refuse(ask);
    if (!this.#knows(ask)) return problem("not_found", this.#whatIsKnown());
    return json(200, await this.#decide(ask, "verify"));
  }

  async batch(request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request, BATCH_BYTES_MAX);
    const asks = isBodyProblem(body) ? body : asBatch(body.value);
    if (!Array.isArray(asks)) return this.#refuse(asks);
    return json(200, { verdicts: await Promise.all(asks.map((ask) => this.#oneOfMany(ask))) });
  }

  async #oneOfMany(ask: AskBody | BodyProblem): Promise<Verdict | NoAsk> {
    if (isBodyProblem(ask)) {
      this.#tallies.unread("malformed_request");
      return { valid: false, code: ask.code, detail: ask.detail };
    }
    if (!this.#knows(ask)) return { valid: false, code: "not_found", detail: this.#whatIsKnown() };
    try {
      return await this.#decide(ask, "batch");
    } catch (error) {
      this.#defect(error);
      return STALE;
    }
  }

  #refuse({ code, detail }: BodyProblem): Answer {
    this.#tallies.unread("malformed_request");
    return problem(code, detail);
  }

  #knows({ api }: AskBody): boolean {
    return api === undefined || this.#verifier.status().some((each) => each.api === api);
  }

  #whatIsKnown(): string {
    const apis = this.#verifier.status().map(({ api }) => api);
    return `This verifier decides for ${apis.join(", ")}.`;
  }

  async #decide({ api, key, ask }: AskBody, endpoint: Endpoint): Promise<Verdict> {
    const verdict = await this.#decideFor(api, key, ask);
    this.#tallies.decided(endpoint, verdict.code);
    return verdict;
  }

  async #decideFor(api: string | undefined, key: string, ask: AskBody["ask"]): Promise<Verdict> {
    const prefix = api === undefined ? undefined : this.#verifier.status().find((each) => each.api === api)?.prefix;
    // As at the authority: a key of another api is none of this one's, whether it exists or not.
    if (prefix !== undefined && prefix !== "" && !key.startsWith(`${prefix}_`))
      return { valid: false, code: "malformed" };
    return this.#verifier.verifyNow(key, ask) ?? this.#verifier.verify(key, ask);
  }
}
