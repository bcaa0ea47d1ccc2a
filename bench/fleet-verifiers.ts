/**
 * A few verifiers in a process of their own. Told a key's text, each watches for its refusal: it is looked at whenever it has just
 * handled something from the authority (which then sets a timer on its world's clock), and all of them every few milliseconds besides.
 */
import { createVerifier, type Verifier } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";
import type { VerifierSaid } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

/** For what no timer tells of: a lease that is over. */
const LOOK_MS = 5;

const { urls, token, count } = peerSettings<{ urls: string[]; token: string; count: number }>();
const tell = (said: VerifierSaid["said"], times: number[] = []) =>
  process.send?.({ said, at: machineNow(), times } satisfies VerifierSaid);
const verifiers: Verifier[] = [];
let text: string | undefined;
/** When each refused; undefined: it still accepts. */
let refusedAt: (number | undefined)[] = [];
let accepting = 0;

const accepts = (verifier: Verifier, watched: string) =>
  verifier.verifyNow(watched, { scope: "market:read" })?.valid === true;

function look(i: number): void {
  if (text === undefined || refusedAt[i] !== undefined || accepts(verifiers[i] as Verifier, text)) return;
  refusedAt[i] = machineNow();
  if (--accepting > 0) return;
  text = undefined;
  tell("refused", refusedAt as number[]);
}

function lookAtAll(): void {
  for (let i = 0; i < count; i++) look(i);
  if (text !== undefined) setTimeout(lookAtAll, LOOK_MS);
}

const world = realWorld();
for (let i = 0; i < count; i++) {
  const clock = {
    ...world.clock,
    after(delayMs: number, run: () => void) {
      look(i);
      return world.clock.after(delayMs, run);
    },
  };
  verifiers.push(createVerifier({ url: urls, token, apis: ["market"], world: { ...world, clock } }));
}
await Promise.all(verifiers.map(({ ready }) => ready));
tell("ready");

process.on("message", (watched: string) => {
  const begin = () => {
    if (!verifiers.every((verifier) => accepts(verifier, watched))) return void setTimeout(begin, 5);
    tell("watching");
    text = watched;
    accepting = count;
    refusedAt = Array.from({ length: count }, () => undefined);
    lookAtAll();
  };
  begin();
});
