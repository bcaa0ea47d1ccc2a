/** `/metrics` of several processes or threads behind one port: whichever is scraped asks, by the one that looks after them, what all have counted. */
import type { World } from "@keyover/core";
import type { Sample } from "@keyover/verifier/standalone";

/** A member that does not say what it has counted is left out. */
const GATHER_MS = 1_000;
/** A member that hears nothing answers with what it has counted itself. */
const ANSWER_MS = 2 * GATHER_MS;

/** Of the one that looks after them. */
export class Gatherings {
  readonly #world: World;
  readonly #running = new Map<number, (member: number, samples: Sample[]) => void>();
  #last = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The samples of all members, each with its number as the label `worker`. `ask` tells each to say what it has counted. */
  async gather(members: readonly number[], ask: (id: number) => void): Promise<Sample[]> {
    const id = ++this.#last;
    const waiting = new Set(members);
    const gathered: Sample[] = [];
    const done = Promise.withResolvers<void>();
    const cancel = this.#world.clock.after(GATHER_MS, done.resolve);
    this.#running.set(id, (member, samples) => {
      for (const sample of samples) gathered.push({ ...sample, labels: { ...sample.labels, worker: String(member) } });
      waiting.delete(member);
      if (waiting.size === 0) done.resolve();
    });
    ask(id);
    await done.promise;
    cancel();
    this.#running.delete(id);
    return gathered;
  }

  said(id: number, member: number, samples: Sample[]): void {
    this.#running.get(id)?.(member, samples);
  }
}

/** Of a member: asks for the samples of all. */
export class GatheringsAsked {
  readonly #world: World;
  readonly #ask: (number: number) => boolean;
  readonly #waiting = new Map<number, (samples: Sample[]) => void>();
  #last = 0;

  /** `ask`: false if nobody is there to be asked. */
  constructor(world: World, ask: (number: number) => boolean) {
    this.#world = world;
    this.#ask = ask;
  }

  gather(own: Sample[]): Promise<Sample[]> {
    return new Promise((resolve) => {
      const number = ++this.#last;
      const settle = (gathered: Sample[]) => {
        late();
        this.#waiting.delete(number);
        resolve(gathered);
      };
      // Who was asked may be gone, or stand still: its own samples are better than none.
      const late = this.#world.clock.after(ANSWER_MS, () => settle(own));
      this.#waiting.set(number, settle);
      if (!this.#ask(number)) settle(own);
    });
  }

  answered(number: number, samples: Sample[]): void {
    this.#waiting.get(number)?.(samples);
  }
}
