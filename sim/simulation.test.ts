/** The simulator itself: that it repeats itself, and that it would notice. What it finds in the product is `npm run sim`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Chance } from "./chance.ts";
import { mutants } from "./mutants.ts";
import { scaled } from "./scale.ts";
import { runSeeds, type SeedReport } from "./seeds.ts";

const PATIENCE_MS = 120_000;

async function reports(seeds: string[], mutant?: string): Promise<SeedReport[]> {
  const all: SeedReport[] = [];
  await runSeeds(seeds, {
    workers: 2,
    mutant,
    onReport(report) {
      all.push(report);
      return true;
    },
  });
  return all;
}

test(
  "the same seed gives the same history, in whichever process; another seed another",
  async () => {
    const all = await reports(["3", "3", "4", "3"]);
    const hashes = (seed: string) => all.filter((report) => report.seed === seed).map(({ hash }) => hash);
    expect(new Set(hashes("3")).size, "seed 3").toBe(1);
    expect(hashes("4")).not.toContain(hashes("3")[0]);
    expect(all.map(({ requests }) => requests > 0)).toEqual([true, true, true, true]);
  },
  PATIENCE_MS,
);

test(
  "a deliberate bug is noticed, and the history of the key is told",
  async () => {
    const found = (await reports(["1", "2", "3", "4"], "retire-at-deadline-quietly")).filter(
      (report) => report.violation,
    );
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]?.violation?.invariant).toBe("I3");
    expect(found[0]?.story.join("\n")).toContain("rotation.retired");
  },
  PATIENCE_MS,
);

test(
  "no story shows a secret",
  async () => {
    const found = await reports(["1", "2", "3"], "confirm-is-use");
    // The form of a key's text: its prefix, the environment, and 38 digits.
    for (const { seed, story } of found)
      expect(story.join("\n"), `seed ${seed}`).not.toMatch(/mk\d_live_[0-9A-Za-z]{38}/);
  },
  PATIENCE_MS,
);

test("mutants have names of their own, and change something", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  for (const { name, find, replace } of mutants) expect(find, name).not.toBe(replace);
});

test("each mutant's text, and each that makes a time shorter, stands just once in its file", () => {
  for (const { file, find } of [...mutants, ...scaled]) {
    const text = readFileSync(join(import.meta.dirname, "..", "packages", file), "utf8");
    expect(text.split(find).length - 1, `${file}: ${find}`).toBe(1);
  }
});

test("streams of chance are independent, and the same for the same name", () => {
  const draw = (name: string) => Array.from({ length: 20 }, () => new Chance("s").fork(name).next());
  expect(draw("a")).toEqual(draw("a"));
  const chance = new Chance("s");
  const before = new Chance("s");
  chance.fork("a").next();
  expect(chance.next()).toBe(before.next());
  const units = Array.from({ length: 2_000 }, () => chance.unit());
  expect(units.filter((unit) => unit < 0.5).length).toBeGreaterThan(900);
  expect(units.filter((unit) => unit < 0.5).length).toBeLessThan(1_100);
});
