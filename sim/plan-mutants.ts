/** Deliberate bugs in limits by plan (mutants.ts says what a mutant is). One seed in four has plans. */
import type { Mutant } from "./mutants.ts";

export const planMutants: Mutant[] = [
  {
    name: "doubled-in-an-overlap",
    file: "verifier/src/limits/limiter.ts",
    find: "if (odd !== undefined) this.#cells.pack(odd, subject);",
    replace:
      "if (odd !== undefined) this.#cells.pack(odd, subject);\n    subject.words[3] = (subject.words[3] as number) ^ (slot & 1);",
    why: "Two versions of a key have its limits each to itself, so an overlap doubles them",
  },
  {
    name: "reset-by-a-registration",
    file: "verifier/src/api-replica.ts",
    find: "this.#serves(welcome);\n    this.#limiter.heard",
    replace: "this.#serves(welcome);\n    this.#limiter.clear();\n    this.#limiter.heard",
    why: "A verifier that registers anew forgets what it counted",
  },
  {
    name: "reset-by-a-new-size",
    file: "verifier/src/limits/plan-book.ts",
    find: "const known = this.#ids.get(text);",
    replace: "const known = undefined as number | undefined;",
    why: "A limit counts anew when its plan is changed, or comes with a snapshot",
  },
  {
    name: "granted-to-each",
    file: "core/src/limit-state.ts",
    find: "Math.floor(Math.min(units / verifiers, ",
    replace: "Math.floor(Math.min(units, ",
    why: "Before it has heard of a quota each verifier may use all of it, with each start again",
  },
  {
    name: "lost-answers-charge-again",
    file: "server/src/feed/fleet.ts",
    find: "const counting = repeated ? charges.map((charge) => ({ ...charge, ...known })) : charges;",
    replace: "const counting = charges;",
    why: "A report that comes again because its answer was lost is charged again",
  },
  {
    name: "day-without-end",
    file: "verifier/src/limits/quotas.ts",
    find: "const isLater = from > began || began > to;",
    replace: "const isLater = began === Number.NEGATIVE_INFINITY;",
    why: "A verifier goes on with the quota of yesterday until the authority speaks of the new day",
  },
  {
    name: "others-do-not-count",
    file: "verifier/src/limits/limit-reports.ts",
    find: "cells.set(cell, TAT, Math.max(cells.get(cell, TAT), tat));",
    replace: "cells.set(cell, TAT, tat > 0 ? cells.get(cell, TAT) : 0);",
    why: "A verifier does not heed what the others used of a rate",
  },
  {
    name: "cut-off-takes-all",
    file: "verifier/src/limits/limiter.ts",
    find: "> STALE_REPORTS * this.#everyMs ? this.#reports.verifiers : 1;",
    replace: "> STALE_REPORTS * this.#everyMs ? 1 : 1;",
    why: "A verifier that is cut off has all of a rate, not its share",
  },
  {
    name: "limited-is-refused",
    file: "verifier/src/api-replica.ts",
    find: 'if (limited !== undefined && limited.code !== "ok") this.#sightings.limited(slot);',
    replace: 'if (limited !== undefined && limited.code !== "ok") this.#sightings.count(slot, ask, at, false);',
    why: "A use that a limit refuses is told as a refusal, as if its version were no good",
  },
  {
    name: "untold-is-lost",
    file: "verifier/src/limits/limit-reports.ts",
    find: "cells.set(cell, UNSENT, cells.get(cell, UNSENT) + units);",
    replace: "cells.set(cell, UNSENT, cells.get(cell, UNSENT) + 0 * units);",
    why: "What a boot used and could not tell before it ended is told by nobody",
  },
  {
    name: "new-size-untold",
    file: "server/src/keys/plans.ts",
    find: "feed: [planDraft(plan, api.defaultPlan === plan.id)],",
    replace: "feed: [],",
    why: "Verifiers are not told that a plan was changed",
  },
  {
    name: "never-given-back",
    file: "core/src/limit-state.ts",
    find: "const granted = Math.max(spent, Math.min(own.granted, spent + keeps));",
    replace: "const granted = Math.max(spent, own.granted);",
    why: "What a verifier was granted of a quota and does not use lies with it for the whole period",
  },
  {
    name: "refused-for-one-more",
    file: "core/src/limit-state.ts",
    find: "if (owed > Math.max(0, burst - cost) * unit + ROUNDING * unit) return undefined;",
    replace: "if (owed > Math.max(0, burst - cost - 1) * unit + ROUNDING * unit) return undefined;",
    why: "The last unit of a burst is refused",
  },
];
