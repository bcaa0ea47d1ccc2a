/** What operators and consumers do with the time of rotations, at bad moments and at the same time: pause, resume, move the deadline, extend. */
import type { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import type { Consumer } from "./consumer.ts";
import type { Control } from "./control-options.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Options } from "./options.ts";

export interface ControllersParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
  consumers: Consumer[];
}

const PATHS = {
  pause: "pause",
  resume: "resume",
  deadline: "deadline",
  brownout: "brownout",
  "end-brownout": "brownout/end",
  "lift-fence": "fence/lift",
};

export class Controllers {
  readonly done = new Map<string, number>();
  readonly #parts: ControllersParts;
  #over = false;

  constructor(parts: ControllersParts) {
    this.#parts = parts;
  }

  begin(): void {
    const { model, options, chance } = this.#parts;
    if (options.controls.length === 0) return;
    model.time.after(options.controlEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      const running = [...model.keys.values()].filter(({ key }) => key.rotationId !== null);
      if (running.length > 0) this.#control(chance.pick(options.controls), chance.pick(running));
      this.begin();
    });
  }

  stop(): void {
    this.#over = true;
  }

  #control(kind: Control, past: KeyPast): void {
    const { chance } = this.#parts;
    this.done.set(`control: ${kind}`, (this.done.get(`control: ${kind}`) ?? 0) + 1);
    if (kind === "race") {
      for (const each of ["pause", "resume", "later", "extend", "brownout"] as const)
        if (chance.happens(0.6)) this.#control(each, past);
      return;
    }
    const rotation = past.key.rotationId;
    if (rotation === null) return;
    if (kind === "pause") this.#pause(rotation, past);
    else if (kind === "resume") this.resume(rotation);
    else if (kind === "extend") this.#extend(past, rotation);
    else if (kind === "brownout")
      this.#send(kind, rotation, { forMs: chance.pick([1_000, 3_000, 7_000]), reason: "r" });
    else if (kind === "end-brownout") this.#send(kind, rotation, { reason: "r" });
    else if (kind === "lift-fence") this.#send(kind, rotation, { reason: "r" });
    else {
      const byMs = kind === "later" ? chance.whole(500, 15_000) : -chance.whole(500, 15_000);
      this.#send("deadline", rotation, { byMs });
    }
  }

  /** Most of them end by an operator's hand after a while, some only at the very end. */
  #pause(rotation: string, past: KeyPast): void {
    const { chance, model, consumers } = this.#parts;
    // People paste what they should not.
    const secret = chance.happens(0.3) ? consumers.find(({ key }) => key === past.id)?.instances[0]?.secret : undefined;
    this.#send("pause", rotation, { reason: secret === undefined ? "r" : `because of ${secret}` });
    if (chance.happens(0.8)) model.time.after(chance.between(200, 6_000), () => this.resume(rotation));
  }

  resume(rotation: string): void {
    this.#send("resume", rotation, {});
  }

  /** By the consumer itself; or by a person for it, where it has no hand. */
  #extend(past: KeyPast, rotation: string): void {
    const { chance, consumers, model } = this.#parts;
    const consumer = consumers.find(({ key }) => key === past.id);
    model.ask("extend", rotation);
    void consumer?.hand?.call("POST", `/v1/rotations/${rotation}/extend`, { byMs: chance.whole(100, 2_500) });
  }

  #send(deed: keyof typeof PATHS, rotation: string, body: object): void {
    const { chance, callers, model } = this.#parts;
    model.ask(deed, rotation);
    void chance.pick(callers).call("POST", `/v1/rotations/${rotation}/${PATHS[deed]}`, body);
  }
}
