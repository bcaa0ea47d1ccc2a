/**
 * The decision on one request that a gateway asks about: what it presents, whether the key will do, the answer. All ways to ask come here.
 * Whatever fails within is no yes, and is answered.
 */
import type { Log, Verdict } from "@keyover/core";
import { STALE } from "../api-replica.ts";
import type { Verifier } from "../verifier.ts";
import { type Answer, no, noForItsForm, problem } from "./answers.ts";
import { type RawRequest, type ReadingRules, readPresented } from "./presented.ts";
import type { Endpoint, Tallies } from "./tallies.ts";
import type { Misconfigured, Wanted, WantedBook } from "./wanted.ts";
import { Yes } from "./yes.ts";

export interface Question {
  endpoint: Endpoint;
  request: RawRequest;
  rules: ReadingRules;
  /** What was asked for, with its query, where the gateway says it with the question itself. */
  path: string | undefined;
  /** Undefined: it stands in the headers. */
  wanted: Wanted | Misconfigured | undefined;
  yesStatus: 200 | 204;
}

export class Gate {
  readonly #verifier: Verifier;
  readonly #book: WantedBook;
  readonly #tallies: Tallies;
  readonly #log: Log;

  constructor(verifier: Verifier, book: WantedBook, tallies: Tallies, log: Log) {
    this.#verifier = verifier;
    this.#book = book;
    this.#tallies = tallies;
    this.#log = log;
  }

  /** Never throws and never rejects. */
  answer(question: Question): Answer | Promise<Answer> {
    try {
      const decided = this.#decide(question);
      return decided instanceof Promise ? decided.catch((error: unknown) => this.defect(error)) : decided;
    } catch (error) {
      return this.defect(error);
    }
  }

  /** The answer where there should have been another. */
  defect(error: unknown): Answer {
    this.#tallies.unread("defect");
    this.#log("error", "verifier.defect", { error: error instanceof Error ? error.message : String(error) });
    return no(STALE, this.#book.anything);
  }

  #decide({ endpoint, request, rules, path, wanted: given, yesStatus }: Question): Answer | Promise<Answer> {
    const presented = readPresented(request, rules, path);
    const wanted =
      given ??
      (presented.wantedTwice
        ? "Keyover-Want-Scope, -Environment or -Cost is there twice: the gateway must set them, not append"
        : this.#book.byHeaders(presented.wantedScope, presented.wantedEnvironment, presented.wantedCost));
    if (typeof wanted === "string") {
      this.#tallies.unread("misconfigured");
      return problem("invalid_request", `The gateway's configuration: ${wanted}.`);
    }
    if (presented.keyInQuery) this.#tallies.keyInQuery(presented.problem === "key_in_query" ? "refused" : "allowed");
    if (presented.problem !== undefined) {
      if (presented.problem === "two_credentials") this.#tallies.twoCredentials();
      this.#tallies.decided(endpoint, "malformed");
      return noForItsForm(presented.problem, wanted);
    }
    const ask = {
      scope: wanted.scope,
      environment: wanted.environment,
      network: presented.network,
      client: presented.client,
      instance: presented.instance,
      cost: wanted.cost,
    };
    const text = presented.text ?? "";
    const verdict = this.#verifier.verifyNow(text, ask);
    if (verdict !== undefined) return this.#settle(endpoint, verdict, wanted, yesStatus);
    return this.#verifier.verify(text, ask).then((late) => this.#settle(endpoint, late, wanted, yesStatus));
  }

  #settle(endpoint: Endpoint, verdict: Verdict, wanted: Wanted, yesStatus: 200 | 204): Answer {
    this.#tallies.decided(endpoint, verdict.code);
    if (!verdict.valid) return no(verdict, wanted);
    const answer = new Yes(verdict, wanted, yesStatus);
    // Over HTTP they are mostly not needed as a list. Otherwise what goes wrong in making it is to be found here.
    return endpoint === "grpc" ? { status: yesStatus, headers: answer.headers, body: "" } : answer;
  }
}
