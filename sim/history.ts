/** What happened, as short lines: kept for the report of a failure, and summed up in one number to compare two runs. */
import { hashText } from "./chance.ts";
import { START } from "./time.ts";

interface Line {
  at: number;
  who: string;
  what: string;
  /** The key that it is about; undefined: all of them. */
  key: string | undefined;
}

const LINES_MAX = 60_000;

export class History {
  #lines: Line[] = [];
  #hash = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(who: string, what: string, key?: string): void {
    const at = this.#now();
    this.#lines.push({ at, who, what, key });
    this.#hash = hashText(`${at} ${who} ${what}`, this.#hash);
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(LINES_MAX / 2);
  }

  /** Two runs with the same number did the same things at the same times. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** The last lines that are about this key, or about nothing in particular. */
  tail(key: string | undefined, count: number): string[] {
    const told: Line[] = [];
    for (const line of this.#lines) {
      if (key !== undefined && line.key !== undefined && line.key !== key) continue;
      // Request after request with the same answer: one of them tells as much.
      if (line.key === key && told.findLast((other) => other.key === key)?.what === line.what) continue;
      told.push(line);
    }
    return told.slice(-count).map(show);
  }
}

function show({ at, who, what }: Line): string {
  return `${((at - START) / 1_000).toFixed(3).padStart(9)} s  ${who.padEnd(14)} ${what}`;
}
