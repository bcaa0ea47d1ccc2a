/**
 * A few verifiers in a process of their own. Told a key's text, each watches for its refusal: it looks whenever its verifier has
 * just handled something from the authority (which then sets a timer on its world's clock), and each millisecond besides.
 */
import { createVerifier, type Verifier } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";
import type { VerifierSaid } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

const { urls, token, count } = peerSettings<{ urls: string[]; token: string; count: number }>();
const tell = (said: VerifierSaid["said"]) => process.send?.({ said, at: machineNow() } satisfies VerifierSaid);
let text: string | undefined;
let accepting: Verifier[] = [];

function look(): void {
  if (text === undefined) return;
  accepting = accepting.filter(
    (verifier) => verifier.verifyNow(text as string, { scope: "market:read" })?.valid === true,
  );
  if (accepting.length > 0) return;
  text = undefined;
  tell("refused");
}

function lookAgain(): void {
  look();
  if (text !== undefined) setTimeout(lookAgain, 1);
}

const world = realWorld();
const clock = {
  ...world.clock,
  after(delayMs: number, run: () => void) {
    look();
    return world.clock.after(delayMs, run);
  },
};
const verifiers = Array.from({ length: count }, () =>
  createVerifier({ url: urls, token, apis: ["market"], world: { ...world, clock } }),
);
await Promise.all(verifiers.map(({ ready }) => ready));
tell("ready");

process.on("message", (watched: string) => {
  const begin = () => {
    const valid = verifiers.filter((verifier) => verifier.verifyNow(watched, { scope: "market:read" })?.valid === true);
    if (valid.length < verifiers.length) return void setTimeout(begin, 5);
    tell("watching");
    text = watched;
    accepting = valid;
    lookAgain();
  };
  begin();
});
