/**
 * Decisions by a flat table, whoever writes it.
 *
 * Two ways to a decision. The long one is core's `judgeCode` on the held version, made for the occasion. The short one is for a plain
 * line (line.ts): all that its decision depends on is in one word of it. The replica's tests hold the two equal.
 */
import { type Ask, type HeldVersion, type LimitState, type Verdict, verdictOf } from "@keyover/core";
import { type Plan, PlanBook } from "../limits/plan-book.ts";
import type { VersionName } from "../sightings.ts";
import { packHandle } from "./handle-words.ts";
import { CONSUMER, environmentOf, HANDLE, isAcceptable, isNameHashed, isRare, META, NUMBER } from "./line.ts";
import { plainVerdict } from "./plain-verdict.ts";
import { placeOf, segmentOf } from "./segments.ts";
import type { TableView } from "./table-view.ts";

/** What its bytes were parsed to, once for as long as it stays as it is: a key in rotation is asked for at each of its requests. */
interface RareVersion {
  held: HeldVersion;
  ok: Verdict | undefined;
}

const RARE_MAX = 10_000;

export abstract class FlatDecisions {
  readonly plans: PlanBook;
  /** Rare versions that were asked for last, by slot. */
  #rare = new Map<number, RareVersion>();

  constructor(plans: PlanBook = new PlanBook()) {
    this.plans = plans;
  }

  abstract get table(): TableView;

  /** The slot of a version, or -1. */
  find(digest: Int32Array): number {
    return this.table.find(digest);
  }

  held(slot: number): HeldVersion {
    const table = this.table;
    return isRare(table.metaOf(slot)) ? this.#rareAt(slot).held : table.heldOf(slot);
  }

  nameOf(slot: number): VersionName {
    const table = this.table;
    const words = table.wordsOf(slot);
    const number = isRare(words[placeOf(slot) + META] as number) ? this.held(slot).version.number : undefined;
    return { key: table.keyOf(slot), version: number ?? (words[placeOf(slot) + NUMBER] as number) >>> 16 };
  }

  isPlainlyOk(slot: number, { environment, scope, network }: Ask): boolean {
    const table = this.table;
    const meta = (table.lines.words[segmentOf(slot)] as Int32Array)[placeOf(slot) + META] as number;
    if (!isAcceptable(meta)) return false;
    if (environment !== undefined && environment !== table.profiles.environments[environmentOf(meta)]) return false;
    const profile = table.profileOf(meta);
    const { allowsNetwork, allowsScope } = profile;
    if (!allowsNetwork.any && network !== profile.allowed) {
      if (network === undefined || !allowsNetwork.allows(network)) return false;
      profile.allowed = network;
    }
    if (scope === undefined || scope === profile.scope) return true;
    if (typeof scope !== "string") return scope.every((name) => allowsScope.allows(name));
    if (!allowsScope.allows(scope)) return false;
    profile.scope = scope;
    return true;
  }

  okVerdict(slot: number, limits?: readonly LimitState[]): Verdict {
    if (!isRare(this.table.metaOf(slot))) return plainVerdict(this.table, slot, limits);
    const rare = this.#rareAt(slot);
    rare.ok ??= Object.freeze(verdictOf(rare.held, "ok"));
    return limits === undefined ? rare.ok : Object.freeze({ ...rare.ok, limits });
  }

  planAt(slot: number): Plan | undefined {
    if (this.plans.isEmpty) return undefined;
    const table = this.table;
    const meta = table.metaOf(slot);
    const plan = this.plans.of(isRare(meta) ? this.#rareAt(slot).held.held.record.plan : table.profileOf(meta).plan);
    return plan === undefined || plan.limits.length === 0 ? undefined : plan;
  }

  subjectAt(slot: number, ofConsumer: boolean, into: Int32Array): string | undefined {
    const table = this.table;
    const [words, at] = [table.wordsOf(slot), placeOf(slot)];
    const meta = words[at + META] as number;
    if (ofConsumer && isRare(meta)) {
      const { consumer } = this.#rareAt(slot).held.held.record;
      return packHandle(consumer, "con", into) ? undefined : consumer;
    }
    if (ofConsumer) table.consumers.copy(words[at + CONSUMER] as number, into);
    else if (isNameHashed(meta)) return table.keyOf(slot);
    else for (let i = 0; i < 5; i++) into[i] = words[at + HANDLE + i] as number;
    return undefined;
  }

  #rareAt(slot: number): RareVersion {
    const known = this.#rare.get(slot);
    if (known !== undefined) return known;
    if (this.#rare.size >= RARE_MAX) this.#rare.clear();
    const rare = { held: this.table.heldOf(slot), ok: undefined };
    this.#rare.set(slot, rare);
    return rare;
  }

  /** The slot is no longer this version's. */
  protected forget(slot: number): void {
    this.#rare.delete(slot);
  }

  protected forgetAll(): void {
    this.#rare.clear();
  }
}
