/**
 * People at the authority's API: one keeps rotations going, others do what operators do, at bad moments and at the same time. What they ask
 * for is noted first, so that the checks can tell what was done without being asked.
 */
import type { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import type { KeyPast, Model } from "./model.ts";
import type { DeedKind, Options } from "./options.ts";

export interface OperatorsParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
  /** Of keys that nobody rotates without need. */
  leftAlone: (key: string) => boolean;
}

export class Operators {
  readonly #parts: OperatorsParts;
  /** Keys that a start is on its way for. */
  readonly #starting = new Set<string>();
  #over = false;
  readonly done = new Map<string, number>();

  constructor(parts: OperatorsParts) {
    this.#parts = parts;
  }

  begin(): void {
    if (!this.#parts.options.bySchedule) this.#rotateLater();
    this.#deedLater();
  }

  stop(): void {
    this.#over = true;
  }

  #rotateLater(): void {
    const { model, options, chance, leftAlone } = this.#parts;
    model.time.after(options.rotateEveryMs * chance.between(0.2, 1), () => {
      if (this.#over) return;
      for (const past of model.keys.values()) {
        if (past.key.status !== "active" || this.#starting.has(past.id) || leftAlone(past.id)) continue;
        // Now and then somebody does not look whether one runs.
        if (past.key.rotationId !== null && !chance.happens(0.02)) continue;
        void this.#rotate(past);
      }
      this.#rotateLater();
    });
  }

  async #rotate(past: KeyPast): Promise<void> {
    const { chance, model } = this.#parts;
    this.#starting.add(past.id);
    model.ask("rotate", past.id);
    const later = chance.happens(0.1) ? { startsAt: Math.floor(model.time.at + chance.between(0, 3_000)) } : {};
    await this.#someone().call("POST", `/v1/keys/${past.id}/rotations`, { reason: "routine", ...later });
    this.#starting.delete(past.id);
  }

  #someone(): Caller {
    return this.#parts.chance.pick(this.#parts.callers);
  }

  #deedLater(): void {
    const { model, options, chance } = this.#parts;
    if (options.deeds.length === 0) return;
    model.time.after(options.deedEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      const keys = [...model.keys.values()].filter(({ key }) => key.status !== "revoked");
      if (keys.length > 0) this.#deed(chance.pick(options.deeds), chance.pick(keys));
      this.#deedLater();
    });
  }

  #deed(kind: DeedKind, past: KeyPast): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
    const { chance } = this.#parts;
    if (kind === "race") {
      for (const each of ["retire", "rollback", "cancel"] as const) if (chance.happens(0.7)) this.#deed(each, past);
      return;
    }
    if (kind === "suspend" || kind === "revoke" || kind === "narrow") this.#change(kind, past);
    else if (kind === "kill" || kind === "contain") this.#emergency(kind, past);
    else this.#command(kind, past);
  }

  #command(kind: "deadline" | "retire" | "rollback" | "cancel", past: KeyPast): void {
    const { chance } = this.#parts;
    const rotation = past.key.rotationId;
    if (rotation === null) return;
    this.#parts.model.ask(kind, rotation);
    if (kind === "retire" || kind === "rollback") past.undisturbed = false;
    const body = {
      deadline: { byMs: chance.whole(-5_000, 10_000) },
      retire: { reason: "r" },
      rollback: { reason: "r" },
      cancel: undefined,
    };
    this.#send(`/v1/rotations/${rotation}/${kind}`, body[kind]);
  }

  #emergency(mode: "kill" | "contain", past: KeyPast): void {
    const { chance, model } = this.#parts;
    const accepted = [...past.versions.values()].filter(({ state }) =>
      ["pending", "active", "retiring"].includes(state),
    );
    if (accepted.length === 0) return;
    const version = chance.pick(accepted).number;
    model.ask(mode, `${past.id} ${version}`);
    past.undisturbed = false;
    this.#send(`/v1/keys/${past.id}/emergency`, { mode, version, reason: "leaked" });
  }

  #change(kind: "suspend" | "revoke" | "narrow", past: KeyPast): void {
    const { chance, model } = this.#parts;
    past.undisturbed = false;
    if (kind === "narrow") {
      const change = chance.happens(0.5)
        ? { scopes: ["market:read"] }
        : { scopes: ["market:*", "trade:write"], widen: true };
      void this.#someone().call("PATCH", `/v1/keys/${past.id}`, change);
      return;
    }
    model.ask(kind, past.id);
    this.#send(`/v1/keys/${past.id}/${kind}`, { reason: "r" });
    if (kind === "suspend") model.time.after(chance.between(500, 6_000), () => this.restore(past));
  }

  restore(past: KeyPast): void {
    this.#parts.model.ask("restore", past.id);
    this.#send(`/v1/keys/${past.id}/restore`, { reason: "r" });
  }

  /** What can't end by itself ends by a person's hand. */
  end(way: "retire" | "rollback", past: KeyPast): void {
    this.#command(way, past);
  }

  #send(path: string, body: object | undefined): void {
    void this.#someone().call("POST", path, body ?? {});
  }
}
