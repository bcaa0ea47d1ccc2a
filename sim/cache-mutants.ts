/** Deliberate bugs of verifiers that hold some of the keys (mutants.ts says what a mutant is). One seed in seven has such. */
import type { Mutant } from "./mutants.ts";

export const cacheMutants: Mutant[] = [
  {
    name: "overtaken-is-taken",
    file: "verifier/src/flat/cached-replica.ts",
    find: `if (outcome !== "gap") this.#forgotten.note(record);`,
    replace: "",
    why: "An answer is put in a cache though the feed brought something newer while it was on its way",
  },
  {
    name: "given-up-uncounted",
    file: "verifier/src/api-replica.ts",
    find: "new CachedReplica(cacheKeys, release, plans)",
    replace: "new CachedReplica(cacheKeys, () => undefined, plans)",
    why: "The uses of a key that a cache gives up are not reported",
  },
  {
    name: "new-key-over-full-cache",
    file: "verifier/src/flat/cached-replica.ts",
    find: "while (this.size >= this.keysMax) this.#giveUp();\n    return super.put(record);",
    replace:
      "{ const taken = super.put(record); while (this.size > this.keysMax) this.#giveUp(); return taken; }\n    return super.put(record);",
    why: "A full cache may give up the very key that has just come, and calls it unknown",
  },
  {
    name: "cache-keeps-what-it-missed",
    file: "verifier/src/follower.ts",
    find: "const present = new Set(records.map(({ key }) => key));",
    replace:
      "const present = replica.isWhole ? new Set(records.map(({ key }) => key)) : new Set([...replica.records()].map(({ key }) => key));",
    why: "A cache that could not follow goes on with what it held",
  },
];
