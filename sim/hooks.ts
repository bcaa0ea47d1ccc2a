/**
 * Changes to modules as they are loaded, before anything of the simulation is imported. No shipped file knows of it.
 *
 *     documentation   the pages that the authority serves read files when it starts: that takes real time, and nobody reads them here
 *     sockets         the one file that sends notices opens its connections on the simulated network (sockets.ts)
 *     times           what policies count in days is shorter here (scale.ts)
 *     a mutant        one expression of a shipped file is another one in this process
 */
import { registerHooks } from "node:module";
import type { Mutant } from "./mutants.ts";
import { scaled } from "./scale.ts";

const NOTHING = "data:text/javascript,export default async () => {}";

export function leaveOutDocumentation(): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith("@fastify/swagger")) return { url: NOTHING, shortCircuit: true };
      return next(specifier, context);
    },
  });
}

/** Name resolution stays as it is: it is given in the configuration. */
export function sendOverSimulatedSockets(): void {
  const url = new URL("./sockets.ts", import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      const sends = context.parentURL?.endsWith("/notices/egress.ts") === true;
      if (sends && (specifier === "node:http" || specifier === "node:https")) return { url, shortCircuit: true };
      return next(specifier, context);
    },
  });
}

/** Each answer throws unless its file was loaded by now. */
export function shortenTimes(): (() => void)[] {
  return scaled.map((change) => rewrite({ name: "scale", ...change }));
}

/** The answer throws unless the file was loaded by now, with the bug in it. */
export function plant(mutant: Mutant): () => void {
  return rewrite({ ...mutant, name: `mutant ${mutant.name}` });
}

function rewrite({ name, file, find, replace }: Pick<Mutant, "name" | "file" | "find" | "replace">): () => void {
  let done = false;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/packages/${file}`)) return loaded;
      const source = Buffer.from(loaded.source as Uint8Array).toString();
      if (source.split(find).length !== 2)
        throw new Error(`${name}: ${file} does not have exactly one place that reads: ${find}`);
      done = true;
      return { ...loaded, source: source.replace(find, () => replace) };
    },
  });
  return () => {
    if (!done) throw new Error(`${name}: ${file} was never loaded`);
  };
}
