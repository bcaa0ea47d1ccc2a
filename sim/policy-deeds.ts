/** People who make policies, change them, attach and detach them, give labels and set expiries, at bad moments and at the same time. */
import type { Caller } from "./caller.ts";
import { drawIdleness } from "./campaign-options.ts";
import type { Chance } from "./chance.ts";
import { drawSpec, type PolicyDeed } from "./control-options.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Options } from "./options.ts";

export interface PolicyMakersParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
}

const NAMES = ["a", "b", "c"] as const;
/** What holds for keys that nobody uses, on every api. */
const UNUSED = "unused";
export const TIERS = ["gold", "silver"] as const;

export class PolicyMakers {
  readonly done = new Map<string, number>();
  readonly #parts: PolicyMakersParts;
  #over = false;

  constructor(parts: PolicyMakersParts) {
    this.#parts = parts;
  }

  /** Some hold from the beginning. */
  async begin(): Promise<void> {
    const { options, chance } = this.#parts;
    if (options.policyDeeds.length === 0) return;
    this.#deedLater();
    if (options.idle) await this.#endUnused();
    for (const name of NAMES.slice(0, chance.whole(1, 3))) {
      await this.#apply(name);
      for (let i = chance.whole(1, 2); i > 0; i--) await this.#attach(name);
    }
  }

  stop(): void {
    this.#over = true;
  }

  /** Nothing is attached any more, so that nothing begins by itself. */
  async detachAll(): Promise<void> {
    const { model, callers } = this.#parts;
    for (let i = 0; i < 50 && model.rules.now.attachments.size > 0; i++)
      for (const id of model.rules.now.attachments.keys()) await callers[0]?.call("DELETE", `/v1/attachments/${id}`);
  }

  #deedLater(): void {
    const { model, options, chance } = this.#parts;
    model.time.after(options.policyDeedEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      if (options.idle && chance.happens(0.3)) void this.#idleDeed();
      else void this.#deed(chance.pick(options.policyDeeds));
      this.#deedLater();
    });
  }

  async #deed(kind: PolicyDeed): Promise<void> {
    const { chance, model } = this.#parts;
    this.#count(kind);
    if (kind === "apply") await this.#apply(chance.pick(NAMES));
    else if (kind === "attach") await this.#attach(chance.pick(NAMES));
    else if (kind === "detach") {
      const ids = [...model.rules.now.attachments.keys()];
      if (ids.length > 0) await this.#call("DELETE", `/v1/attachments/${chance.pick(ids)}`);
    } else if (kind === "label") {
      const ids = [...model.rules.now.labels.keys()];
      await this.#call("PATCH", `/v1/consumers/${chance.pick(ids)}`, { labels: { tier: chance.pick(TIERS) } });
    } else await this.#expire(chance.pick([...model.keys.values()]));
  }

  async #endUnused(): Promise<void> {
    const { chance, model } = this.#parts;
    await this.#call("PUT", `/v1/policies/${UNUSED}`, { spec: { idle: drawIdleness(chance) } });
    for (const api of new Set([...model.keys.values()].map(({ apiId }) => apiId)))
      await this.#call("POST", `/v1/policies/${UNUSED}/attachments`, { target: { kind: "api", api } });
  }

  /** The rule changes; or somebody needs a key that was suspended because nobody used it. */
  async #idleDeed(): Promise<void> {
    const { chance, model } = this.#parts;
    const suspended = [...model.keys.values()].filter(({ key }) => key.status === "suspended");
    if (suspended.length === 0 || chance.happens(0.2)) {
      this.#count("unused");
      await this.#call("PUT", `/v1/policies/${UNUSED}`, { spec: { idle: drawIdleness(chance) } });
      return;
    }
    const { id } = chance.pick(suspended);
    this.#count("restore");
    model.ask("restore", id);
    await this.#call("POST", `/v1/keys/${id}/restore`, { reason: "r" });
  }

  #count(kind: string): void {
    this.done.set(`policies: ${kind}`, (this.done.get(`policies: ${kind}`) ?? 0) + 1);
  }

  #expire(past: KeyPast) {
    const { chance, model } = this.#parts;
    const expiresAt = chance.happens(0.2) ? null : Math.floor(model.time.at + chance.between(2_000, 15_000));
    return this.#call("PATCH", `/v1/keys/${past.id}`, { expiresAt });
  }

  #apply(name: string) {
    const { chance, options } = this.#parts;
    const spec = drawSpec(chance);
    // In rotation nothing is idle.
    if (options.idle && chance.happens(0.7)) Object.assign(spec, { schedule: undefined });
    return this.#call("PUT", `/v1/policies/${name}`, { spec });
  }

  #attach(name: string) {
    const { chance, model } = this.#parts;
    const keys = [...model.keys.values()];
    const { id, apiId } = chance.pick(keys);
    const target = chance.pick([
      { kind: "api", api: apiId },
      { kind: "environment", api: apiId, environment: "live" },
      { kind: "label", name: "tier", value: chance.pick(TIERS), api: chance.happens(0.5) ? apiId : null },
      { kind: "key", key: id },
    ]);
    return this.#call("POST", `/v1/policies/${name}/attachments`, { target });
  }

  #call(method: string, path: string, body?: object) {
    return this.#parts.chance.pick(this.#parts.callers).call(method, path, body);
  }
}
