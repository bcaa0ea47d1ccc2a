/** @keyover/client: holds an API key in the consumer's process and changes it over without losing a request. */
import { type Disk, realDisk } from "./disk.ts";
import { Holder, type KeyHolder, type KeyHolderOptions } from "./holder.ts";
import { type Host, realHost, realWorld } from "./world.ts";

export type { AuthorityOptions } from "./authority-calls.ts";
export { KeyHolderError, type KeyHolderErrorCode } from "./failure.ts";
export type { KeyChange, KeyHolder, KeyHolderOptions, KeyHolderState } from "./holder.ts";
export type { ProbeOptions } from "./probe.ts";
export type { SourceOptions } from "./source.ts";
export type { Disk, Host };

/**
 * Begins to hold a key. Throws a `KeyHolderError` with code `invalid_options` for options that can't be meant; whether
 * there is a secret, `ready` tells.
 */
export function createKeyHolder(options: KeyHolderOptions): KeyHolder {
  const holder = new Holder(
    options,
    options.world ?? realWorld(),
    options.host ?? realHost(),
    options.disk ?? realDisk,
  );
  const ready = holder.opened.then(() => {});
  ready.catch(() => {}); // whoever awaits it is told; whoever does not is told by each request
  return {
    ready,
    secret: () => holder.current.secret.reveal(),
    state: () => holder.state(),
    authorize: ((request: Request | Headers | RequestInit) => holder.authorize(request)) as KeyHolder["authorize"],
    fetch: holder.fetch,
    check: () => holder.check(),
    close: () => holder.close(),
    toJSON: () => holder.state(),
  };
}
