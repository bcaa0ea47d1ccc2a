/**
 * A secret in a file, shared by all processes of a host. Beside it: the sidecar `<file>.keyover` and the lock folder
 * `<file>.lock`. A symbolic link is followed, and all three live where it leads.
 *
 * Replacing is atomic: a temporary file in the same folder (0600, same owner), synced, renamed over the old one, the folder
 * synced. Whoever reads sees the old secret or the new one, never a part. Temporary files that a crash left behind
 * hold secrets; the next owner of the lock removes them.
 */
import { basename, dirname, join } from "node:path";
import type { Clock, Log, RandomBytes } from "@keyover/core";
import type { Disk } from "./disk.ts";
import { KeyHolderError, reasonOf } from "./failure.ts";
import { type Lock, LockFolder } from "./lock.ts";
import { Secret } from "./secret.ts";
import { findSecret, formatSidecar, parseSidecar, type Sidecar } from "./sidecar.ts";
import { Memory, type SecretSource } from "./source.ts";
import type { Host } from "./world.ts";

interface Deps {
  disk: Disk;
  host: Host;
  clock: Clock;
  random: RandomBytes;
  log: Log;
}

export function fileSource(link: string, deps: Deps): SecretSource {
  return new SecretFile(link, deps);
}

class SecretFile implements SecretSource {
  readonly warning = undefined;
  readonly #link: string;
  readonly #deps: Deps;
  readonly #locks: LockFolder;
  readonly #memory: Memory;
  #lock: Lock | undefined;
  #stamp: string | undefined;
  #complaint = "";

  constructor(link: string, deps: Deps) {
    this.#link = link;
    this.#deps = deps;
    this.#locks = new LockFolder(deps);
    this.#memory = new Memory(deps.log);
  }

  async open(): Promise<Secret> {
    this.#stamp = await this.#deps.disk.stamp(this.#link);
    const secret = await this.#read();
    if (secret === undefined) throw new KeyHolderError("no_secret", `${this.#link} holds no key, or is not there`);
    this.#memory.set(secret);
    return secret;
  }

  async changed(): Promise<Secret | undefined> {
    return this.#memory.changed(await this.#read());
  }

  async present(): Promise<Secret | undefined> {
    return this.#memory.present(await this.#read());
  }

  readonly glance = async (): Promise<Secret | undefined> => {
    const stamp = await this.#deps.disk.stamp(this.#link);
    if (stamp === this.#stamp) return undefined;
    // Taken before the reading: if somebody writes in between, the next look finds another stamp.
    this.#stamp = stamp;
    return this.changed();
  };

  async lock(): Promise<Lock | undefined> {
    const path = await this.#path();
    const lock = await this.#locks.take(`${path}.lock`);
    if (lock === undefined) return undefined;
    this.#lock = lock;
    await this.#sweep(path);
    return {
      held: () => lock.held(),
      release: async () => {
        this.#lock = undefined;
        await lock.release();
      },
    };
  }

  async sidecar(): Promise<Sidecar | undefined> {
    const path = await this.#path();
    const text = await this.#deps.disk.read(`${path}.keyover`);
    if (text === undefined) return undefined;
    const sidecar = parseSidecar(text);
    if (sidecar === undefined) return this.#leaveAside("it is no sidecar, or was cut off");
    const secret = await this.#read();
    if (secret !== undefined && findSecret(sidecar, secret) === undefined)
      return this.#leaveAside("it belongs to another key");
    this.#complaint = "";
    return sidecar;
  }

  async writeSidecar(sidecar: Sidecar): Promise<void> {
    await this.#replace(`${await this.#path()}.keyover`, formatSidecar(sidecar));
  }

  async write(secret: Secret): Promise<void> {
    const path = await this.#path();
    if (!secret.same(await this.#read())) await this.#replace(path, `${secret.reveal()}\n`);
    this.#memory.set(secret);
  }

  async #path(): Promise<string> {
    return this.#deps.disk.resolve(this.#link);
  }

  async #read(): Promise<Secret | undefined> {
    return Secret.parse(await this.#deps.disk.read(this.#link));
  }

  #leaveAside(reason: string): undefined {
    if (reason !== this.#complaint)
      this.#deps.log("warn", "key.sidecar-ignored", { file: `${this.#link}.keyover`, reason });
    this.#complaint = reason;
    return undefined;
  }

  async #replace(path: string, text: string): Promise<void> {
    const { disk, random } = this.#deps;
    const temporary = `${path}.${Buffer.from(random(8)).toString("hex")}.tmp`;
    await disk.create(temporary, text, await this.#path());
    try {
      if (!(await this.#lock?.held())) throw new KeyHolderError("lock_lost", "another process took the lock over");
      if (!(await disk.rename(temporary, path))) throw new KeyHolderError("lock_lost", "the temporary file is gone");
    } catch (error) {
      await disk.remove(temporary);
      throw error;
    }
    await disk.sync(dirname(path));
  }

  async untidy(): Promise<boolean> {
    return (await this.#left(await this.#path())).length > 0;
  }

  async #sweep(path: string): Promise<void> {
    try {
      for (const name of await this.#left(path)) await this.#deps.disk.remove(join(dirname(path), name));
      await this.#locks.sweep(`${path}.lock`);
    } catch (error) {
      // Untidy, but no reason to give up a changeover.
      this.#deps.log("warn", "key.leftovers", { file: path, reason: reasonOf(error) });
    }
  }

  /** Temporary files of this secret and its sidecar. */
  async #left(path: string): Promise<string[]> {
    const temporary = /(\.keyover)?\.[0-9a-f]{16}\.tmp$/;
    const names = await this.#deps.disk.list(dirname(path));
    return names.filter((name) => temporary.test(name) && name.replace(temporary, "") === basename(path));
  }
}
