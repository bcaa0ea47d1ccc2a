/**
 * Changes to modules as they are loaded, before anything of the simulation is imported.
 *
 * The pages of documentation that the authority serves read files when it starts: that takes real time, and most of a start. Here nobody
 * reads them. And a mutant is planted: one expression of a shipped file is another one in this process. No shipped file knows of it.
 */
import { registerHooks } from "node:module";
import type { Mutant } from "./mutants.ts";

const NOTHING = "data:text/javascript,export default async () => {}";

export function leaveOutDocumentation(): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith("@fastify/swagger")) return { url: NOTHING, shortCircuit: true };
      return next(specifier, context);
    },
  });
}

/** The answer throws unless the file was loaded by now, with the bug in it. */
export function plant({ name, file, find, replace }: Mutant): () => void {
  let planted = false;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/packages/${file}`)) return loaded;
      const source = Buffer.from(loaded.source as Uint8Array).toString();
      if (source.split(find).length !== 2)
        throw new Error(`mutant ${name}: ${file} does not have exactly one place that reads: ${find}`);
      planted = true;
      return { ...loaded, source: source.replace(find, () => replace) };
    },
  });
  return () => {
    if (!planted) throw new Error(`mutant ${name}: ${file} was never loaded`);
  };
}
