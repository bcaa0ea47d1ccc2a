/**
 * One changeover at a time on a host: the lock is the folder `<file>.lock`, held by the owner whose file is in it.
 *
 *     take      make a folder of one's own with a file named by a fresh random id, then rename that folder to `<file>.lock`
 *     keep      write the file `<file>.lock/<id>` again, three times per lease
 *     release   remove `<file>.lock/<id>`
 *     take over remove `<file>.lock/<id of the dead owner>`, then take
 *
 * Why there are never two owners. Renaming a folder onto another succeeds only if the other is empty or missing, and is
 * atomic: of any number of processes that try at once, one wins, and from that moment the lock is not empty. It gets
 * empty again only when the file with the winner's id is removed; ids are never used twice, so whoever still believes in
 * an *earlier* owner's death removes a file that is gone, and harms nobody. That is the trap of the usual "delete the
 * stale lock, create a new one": there the slow second process deletes the fresh lock of the first.
 *
 * Who is dead? A process of the same boot and process namespace whose pid does not run; else an owner whose file has not
 * changed for a whole lease *on the observer's own monotonic clock*, so a stepped wall clock kills nobody. An owner
 * that slept through its lease notices: `held()` is asked before each step that can't be undone.
 */
import { basename, dirname } from "node:path";
import type { Clock, RandomBytes } from "@keyover/core";
import type { Disk } from "./disk.ts";
import type { Host } from "./world.ts";

export const LEASE_MS = 10_000;
/** An owner stops trusting its own lock this long after it last renewed it: well before others may take it over. */
const TRUST_MS = LEASE_MS * 0.7;

export interface Lock {
  /** Still this process's own. */
  held(): Promise<boolean>;
  release(): Promise<void>;
}

interface Mark {
  pid: number;
  place: string;
  beat: number;
}

export class LockFolder {
  readonly #deps: { disk: Disk; host: Host; clock: Clock; random: RandomBytes };
  /** What other owners' files said, and since when: the evidence that one is dead. */
  readonly #seen = new Map<string, { text: string; since: number }>();

  constructor(deps: { disk: Disk; host: Host; clock: Clock; random: RandomBytes }) {
    this.#deps = deps;
  }

  /** The lock `folder`, or undefined if somebody else has it. Never waits for another owner. */
  async take(folder: string): Promise<Lock | undefined> {
    const { disk, clock, random } = this.#deps;
    if (!(await this.#isFree(folder))) return undefined;
    const id = Buffer.from(random(12)).toString("hex");
    const candidate = `${folder}.${id}`;
    const startedAt = clock.elapsed();
    await disk.makeFolder(candidate);
    await disk.create(`${candidate}/${id}`, this.#mark(0));
    if (!(await disk.rename(candidate, folder))) {
      await disk.remove(`${candidate}/${id}`);
      await disk.removeFolder(candidate);
      return undefined;
    }
    this.#seen.clear();
    return this.#keep(folder, id, startedAt);
  }

  /** Removes what a process left that died between making its folder and renaming it. For the owner of the lock. */
  async sweep(folder: string): Promise<void> {
    const { disk } = this.#deps;
    const prefix = `${basename(folder)}.`;
    for (const name of await disk.list(dirname(folder))) {
      const id = name.slice(prefix.length);
      if (!name.startsWith(prefix) || !/^[0-9a-f]{24}$/.test(id)) continue;
      const text = await disk.read(`${folder}.${id}/${id}`);
      if (text === undefined || !this.#processIsGone(text)) continue;
      await disk.remove(`${folder}.${id}/${id}`);
      await disk.removeFolder(`${folder}.${id}`);
    }
  }

  async #isFree(folder: string): Promise<boolean> {
    const { disk } = this.#deps;
    for (const id of await disk.list(folder)) {
      const text = await disk.read(`${folder}/${id}`);
      if (text === undefined) continue; // released just now
      if (!this.#isDead(id, text)) return false;
      await disk.remove(`${folder}/${id}`);
    }
    return true;
  }

  #isDead(id: string, text: string): boolean {
    if (this.#processIsGone(text)) return true;
    const now = this.#deps.clock.elapsed();
    const seen = this.#seen.get(id);
    if (seen !== undefined && seen.text === text) return now - seen.since >= LEASE_MS;
    this.#seen.clear(); // one lock has one owner: nothing else is worth remembering
    this.#seen.set(id, { text, since: now });
    return false;
  }

  #processIsGone(text: string): boolean {
    const mark = parseMark(text);
    const { host } = this.#deps;
    return mark !== undefined && mark.place === host.place && !host.alive(mark.pid);
  }

  #mark(beat: number): string {
    const { pid, place } = this.#deps.host;
    // Padded, so that a later beat never leaves the tail of an earlier one behind.
    return `${JSON.stringify({ pid, place, beat } satisfies Mark)}\n`.padStart(200);
  }

  #keep(folder: string, id: string, startedAt: number): Lock {
    const { disk, clock } = this.#deps;
    const path = `${folder}/${id}`;
    let renewedAt = startedAt;
    let beat = 0;
    let gone = false;
    let cancel = (): void => {};
    const renew = async (): Promise<void> => {
      const at = clock.elapsed();
      beat++;
      const done = await disk.overwrite(path, this.#mark(beat)).catch(() => undefined);
      if (done === true) renewedAt = at;
      if (done === false) gone = true;
      plan();
    };
    const plan = (): void => {
      if (!gone) cancel = clock.after(LEASE_MS / 3, () => void renew());
    };
    plan();
    return {
      async held() {
        return !gone && clock.elapsed() - renewedAt < TRUST_MS && (await disk.stamp(path)) !== undefined;
      },
      async release() {
        gone = true;
        cancel();
        await disk.remove(path);
        await disk.removeFolder(folder);
      },
    };
  }
}

function parseMark(text: string): Mark | undefined {
  try {
    const { pid, place } = JSON.parse(text) as Partial<Mark>;
    return Number.isInteger(pid) && typeof place === "string" ? { pid: pid as number, place, beat: 0 } : undefined;
  } catch {
    return undefined;
  }
}
