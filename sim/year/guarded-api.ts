/** An api of the year with its two verifiers, and what happens to the second one where reports get lost (losses.ts). */
import type { RotationPolicyPatch } from "@keyover/core";
import { hashText } from "../chance.ts";
import type { Gap, Use } from "./earliest.ts";
import { losses } from "./losses.ts";
import { type Provider, WireVerifier } from "./provider.ts";
import { DAY } from "./rhythms.ts";

export interface KnownUse extends Use {
  /** False where the verifier that served it died before it told. */
  reported: boolean;
  thief: boolean;
}

/** Looks are hours apart here, and a second in life: so the static time is longer than the default. */
const STALENESS = { leaseMs: 15_000, onStale: "static", staticMs: DAY };

export class GuardedApi {
  readonly id: string;
  readonly lossy: boolean;
  /** Of which nothing was told, or late. */
  readonly gaps: Gap[] = [];
  readonly #provider: Provider;
  readonly #token: string;
  readonly #first: WireVerifier;
  #second: WireVerifier;
  #state: "well" | "down" | "cut-off" = "well";
  /** Served by the second one since its last report. */
  #untold: KnownUse[] = [];

  private constructor(provider: Provider, id: string, token: string, lossy: boolean) {
    this.#provider = provider;
    this.#token = token;
    this.id = id;
    this.lossy = lossy;
    this.#first = new WireVerifier(provider, id, token, "eu-1");
    this.#second = new WireVerifier(provider, id, token, "eu-2");
  }

  static async make(provider: Provider, lossy: boolean, policy: RotationPolicyPatch): Promise<GuardedApi> {
    const named = lossy ? { name: "lossy", prefix: "los" } : { name: "steady", prefix: "std" };
    const wanted = { ...named, scopes: ["market:read"], policy, staleness: STALENESS };
    const { id } = await provider.ok("POST", "/v1/apis", wanted);
    const token = await provider.ok("POST", "/v1/tokens", { name: "verifiers", role: "verifier", apis: [id] });
    return new GuardedApi(provider, id, token.secret, lossy);
  }

  async start(): Promise<void> {
    for (const verifier of [this.#first, this.#second]) await verifier.register();
  }

  /** Those that can report. */
  get reachable(): WireVerifier[] {
    return this.#state === "well" ? [this.#first, this.#second] : [this.#first];
  }

  get witness(): WireVerifier {
    return this.#first;
  }

  /**
   * Which verifier a balancer gives this call to. One source stays with one of them until the next look, because of two reports that are hours apart the
   * later one may come first.
   */
  verifierFor(use: KnownUse, look: number): WireVerifier {
    if (this.#state === "down" || hashText(`${use.source} ${look}`) % 2 === 0) return this.#first;
    this.#untold.push(use);
    return this.#second;
  }

  /** Before the reports of this moment. */
  async suffer(at: number): Promise<void> {
    const loss = this.lossy ? losses.find(({ from, to }) => from === at || to === at) : undefined;
    if (loss?.kind === "repeat" && at === loss.from) await this.#second.report(true);
    if (loss !== undefined && loss.kind !== "repeat") {
      const { kind, from, to } = loss;
      if (at === from) this.#fall(kind, to);
      else {
        if (kind === "vanish")
          this.#second = new WireVerifier(this.#provider, this.id, this.#token, `eu-2 since ${at}`);
        if (kind === "cut-off") await this.#second.read();
        else await this.#second.register();
        this.#state = "well";
      }
    }
    if (this.#state !== "cut-off") this.#untold = [];
  }

  #fall(kind: "restart" | "vanish" | "cut-off", until: number): void {
    const { coveredTo } = this.#second;
    const mayAnswerUntil = coveredTo + STALENESS.leaseMs + STALENESS.staticMs;
    this.gaps.push({ from: coveredTo, to: kind === "vanish" ? mayAnswerUntil : until, told: kind === "cut-off" });
    this.#state = kind === "cut-off" ? "cut-off" : "down";
    if (kind !== "cut-off") for (const use of this.#untold) use.reported = false;
  }
}
