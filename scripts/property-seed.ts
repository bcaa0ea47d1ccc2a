/**
 * Loaded first in each file of unit tests: properties (fast-check) are tried with the same examples in every run, so that what failed
 * fails again, and a run fails for what was changed and not by chance. `KEYOVER_SEED=random`, or a number, tries others.
 */
import fc from "fast-check";

const DEFAULT = 20_261_122;
const said = process.env.KEYOVER_SEED ?? String(DEFAULT);
const seed = said === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(said);
if (!Number.isSafeInteger(seed)) throw new Error(`KEYOVER_SEED is a whole number or "random", not "${said}"`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
