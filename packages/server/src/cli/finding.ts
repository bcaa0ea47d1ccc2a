/** What a doctor found: one line, with what to do where there is something to do. */
import { clean } from "./render.ts";

export interface Finding {
  level: "good" | "note" | "bad";
  about: string;
  text: string;
  advice: string | null;
}

export function good(about: string, text: string): Finding {
  return { level: "good", about, text, advice: null };
}

/** Worth knowing; nothing is broken. */
export function note(about: string, text: string, advice: string): Finding {
  return { level: "note", about, text, advice };
}

export function bad(about: string, text: string, advice: string): Finding {
  return { level: "bad", about, text, advice };
}

const MARKS = { good: ["✓", "green"], note: ["·", "yellow"], bad: ["✗", "red"] } as const;

export function findingText(
  { level, about, text, advice }: Finding,
  paint: (style: "green" | "yellow" | "red", text: string) => string,
): string {
  const [mark, colour] = MARKS[level];
  return `${paint(colour, mark)} ${clean(about)}: ${clean(text).replace(/[.?]+$/, "")}${advice === null ? "" : `. ${advice.charAt(0).toUpperCase()}${advice.slice(1)}`}`;
}
