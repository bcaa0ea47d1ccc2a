/** The only text on the screen that holds a secret. */
import { type Io, painterOf } from "./io.ts";

/** A created thing and its secret, if there is one to show. */
export function shownOnce(io: Io, about: string, secret: string | null): string {
  if (secret === null) return about;
  return `${about}\n\nThe secret. It is shown this once; keep it safe:\n\n  ${painterOf(io)("bold", secret)}`;
}
