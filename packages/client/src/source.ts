/** Where the secret comes from and where its successor is kept: a file, the environment, or the application's own callbacks. */
import type { Clock, Log } from "@keyover/core";
import { parseKeyText } from "@keyover/core";
import { bounded, KeyHolderError } from "./failure.ts";
import type { Lock } from "./lock.ts";
import { Secret } from "./secret.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Host } from "./world.ts";

export type SourceOptions =
  /** A text file with the secret and nothing else. Other programs may read it. */
  | { file: string }
  /** An environment variable. It can't be saved: after a restart it must hold the successor. */
  | { env: string }
  | { get(): Promise<string>; save?: ((secret: string) => Promise<void>) | undefined };

export interface SecretSource {
  /** The first secret. Throws a KeyHolderError if there is none. */
  open(): Promise<Secret>;
  /** The secret, if somebody else has put another there since this process last read or wrote it. */
  changed(): Promise<Secret | undefined>;
  /** The secret that is there now, also if it was there before and this process has left it; undefined if it is not whole. */
  present(): Promise<Secret | undefined>;
  /** As `changed`, and so cheap that it may be called each second; undefined where nothing cheap exists. */
  glance: (() => Promise<Secret | undefined>) | undefined;
  /** Undefined if another process is changing over. */
  lock(): Promise<Lock | undefined>;
  sidecar(): Promise<Sidecar | undefined>;
  /** Once this returns, a crash loses none of the secrets in `sidecar`. */
  writeSidecar(sidecar: Sidecar): Promise<void>;
  /** A crash left files behind that hold secrets; whoever takes the lock removes them. */
  untidy(): Promise<boolean>;
  /** The secret that everybody finds from now on. */
  write(secret: Secret): Promise<void>;
  /** Said once per changeover where the secret does not survive a restart. */
  warning: string | undefined;
}

/** Notices that a source has changed, which is not the same as that it differs from what this process uses. */
export class Memory {
  #last: Secret | undefined;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  set(secret: Secret): void {
    this.#last = secret;
  }

  changed(found: Secret | undefined): Secret | undefined {
    return this.#last === undefined || found?.same(this.#last) ? undefined : this.present(found);
  }

  present(found: Secret | undefined): Secret | undefined {
    const last = this.#last;
    if (last === undefined || found === undefined) return undefined;
    // A program that writes the file in place can be caught half way: the checksum tells. The next look finds it whole.
    if (parseKeyText(found.reveal()) === undefined && parseKeyText(last.reveal()) !== undefined) {
      this.#log("warn", "key.source-unreadable", { reason: "the text is no whole key; the one in use stays" });
      return undefined;
    }
    this.#last = found;
    return found;
  }
}

/** A lock for what only this process can see. */
const ownLock: Lock = { held: async () => true, release: async () => {} };

export function envSource(name: string, host: Host): SecretSource {
  let sidecar: Sidecar | undefined;
  return {
    async open() {
      const secret = Secret.parse(host.env(name));
      if (secret === undefined) throw new KeyHolderError("no_secret", `the environment variable ${name} holds no key`);
      return secret;
    },
    changed: async () => undefined,
    present: async () => undefined,
    glance: undefined,
    untidy: async () => false,
    lock: async () => ownLock,
    sidecar: async () => sidecar,
    async writeSidecar(next) {
      sidecar = next;
    },
    write: async () => {},
    warning: `the successor lives in memory only: put it into ${name} before the old version ends`,
  };
}

const CALLBACK_MS = 30_000;

export function callbackSource(
  source: Extract<SourceOptions, { get(): Promise<string> }>,
  clock: Clock,
  log: Log,
): SecretSource {
  const memory = new Memory(log);
  let sidecar: Sidecar | undefined;
  let saved: Secret | undefined;
  const get = async () =>
    Secret.parse(await bounded(Promise.resolve().then(source.get.bind(source)), CALLBACK_MS, clock));
  const save = async (secret: Secret): Promise<void> => {
    if (source.save === undefined || secret.same(saved)) return;
    saved = undefined; // if it fails half way, nobody knows what is saved
    const work = Promise.resolve(source.save(secret.reveal())).then(() => true);
    const done = await bounded(work, CALLBACK_MS, clock);
    if (done === undefined) {
      await Promise.race([work, Promise.resolve()]); // its own error, if it has failed
      throw new KeyHolderError("source_slow", "save() did not end in time");
    }
    saved = secret;
    memory.set(secret);
  };
  const taken = (found: Secret | undefined): Secret | undefined => {
    if (found !== undefined) saved = found;
    return found;
  };
  return {
    async open() {
      const secret = await get();
      if (secret === undefined) throw new KeyHolderError("no_secret", "get() gave no key");
      memory.set(secret);
      saved = secret;
      return secret;
    },
    changed: async () => taken(memory.changed(await get())),
    present: async () => taken(memory.present(await get())),
    glance: undefined,
    untidy: async () => false,
    lock: async () => ownLock,
    sidecar: async () => sidecar,
    async writeSidecar(next) {
      // There is no second place for a successor that is still on trial, and it must be kept before it is used.
      if (next.pending !== undefined && !next.pending.secret.same(sidecar?.pending?.secret))
        await save(next.pending.secret);
      sidecar = next;
    },
    write: save,
    warning:
      source.save === undefined
        ? "the successor lives in memory only: give save(), or see that get() finds it before the old version ends"
        : undefined,
  };
}
