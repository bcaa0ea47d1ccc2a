/**
 * What happens to the second verifier of the api whose reports get lost, every 20 days in turn. `to` is when it is over.
 *
 *     restart     it dies with what it has not reported, and is started again under its name 20 minutes later
 *     vanish      it dies for good; another one, with another name, is started
 *     cut-off     it serves on, and can report nothing for five hours
 *     repeat      the answer to a report gets lost: it is sent twice
 */
import { DAY, FROM, HOUR, MINUTE, TO } from "./rhythms.ts";

export interface Loss {
  kind: "restart" | "vanish" | "cut-off" | "repeat";
  from: number;
  to: number;
}

const inTurn = ["cut-off", "repeat", "restart", "repeat", "cut-off", "vanish"] as const;
const EVERY_MS = 20 * DAY;
const lasts = { restart: 20 * MINUTE, vanish: 20 * MINUTE, "cut-off": 5 * HOUR, repeat: MINUTE };

export const losses: readonly Loss[] = Array.from({ length: Math.floor((TO - FROM) / EVERY_MS) }, (_, i) => {
  const kind = inTurn[i % inTurn.length] as Loss["kind"];
  const from = FROM + (i + 1) * EVERY_MS + (i % 24) * HOUR + 17 * MINUTE;
  return { kind, from, to: from + lasts[kind] };
});
