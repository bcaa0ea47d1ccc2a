/**
 * A verifier's disk, in memory: what packages/verifier/src/disk.ts keeps in files. A process that is killed leaves what it wrote; a power
 * cut may take the last lines of the journal, which is not synced; somebody may put an old copy back; it may be full.
 */

import type { KeyRecord } from "@keyover/core";
import type { DiskHead, DiskState, JournalLine, ReplicaDisk } from "@keyover/verifier";
import type { Chance } from "./chance.ts";
import type { Process } from "./process.ts";

interface Files {
  snapshot?: string | undefined;
  journal: string[];
  /** While a new snapshot is being written. */
  next?: string[] | undefined;
}

export class Platter {
  #apis = new Map<string, Files>();
  full = false;
  /** Bytes that a line of the journal is taken for: many make the verifier write its snapshot anew often. */
  readonly #lineBytes: number;
  #copies: string[] = [];
  /** Apis of which something was lost or put back since a process last saved their whole state. */
  #damaged = new Set<string>();

  constructor(lineBytes: number) {
    this.#lineBytes = lineBytes;
  }

  files(api: string): Files {
    let files = this.#apis.get(api);
    if (files === undefined) {
      files = { journal: [] };
      this.#apis.set(api, files);
    }
    return files;
  }

  backUp(): void {
    this.#copies.push(JSON.stringify([...this.#apis]));
  }

  /** False if there is no copy. */
  restore(chance: Chance): boolean {
    if (this.#copies.length === 0) return false;
    this.#damageAll();
    this.#apis = new Map(JSON.parse(chance.pick(this.#copies)) as [string, Files][]);
    this.#damageAll();
    return true;
  }

  erase(): void {
    this.#damageAll();
    this.#apis.clear();
  }

  isDamaged(api: string): boolean {
    return this.#damaged.has(api);
  }

  #damageAll(): void {
    for (const api of this.#apis.keys()) this.#damaged.add(api);
  }

  powerCut(chance: Chance): void {
    for (const [api, files] of this.#apis) {
      const lost = chance.whole(0, 5);
      if (lost === 0) continue;
      const last = files.next ?? files.journal;
      last.splice(Math.max(0, last.length - lost));
      this.#damaged.add(api);
    }
  }

  disk(process: Process): ReplicaDisk {
    const effect = <T>(name: string, run: () => T): Promise<T> =>
      process.effect(`disk.${name}`, async () => {
        if (this.full && name !== "load" && name !== "forget") throw new Error("ENOSPC");
        return run();
      });
    return {
      lock: async () => async () => {},
      load: (api) => effect("load", () => stateOf(this.files(api))),
      append: (api, lines) =>
        effect("append", () => {
          const files = this.files(api);
          (files.next ?? files.journal).push(...lines.map((line) => JSON.stringify(line)));
        }),
      save: async (api, head, records) => {
        const files = this.files(api);
        await effect("save.begin", () => {
          files.next = [];
        });
        const text = JSON.stringify({ head, records: [...records] });
        await effect("save.write", () => {
          files.snapshot = text;
        });
        await effect("save.rename", () => {
          files.journal = files.next ?? [];
          files.next = undefined;
          this.#damaged.delete(api);
        });
      },
      forget: (api) =>
        effect("forget", () => {
          const files = this.files(api);
          files.journal = [];
          files.next = undefined;
        }),
      sizes: (api) => {
        const { journal, next, snapshot } = this.files(api);
        return { journal: (next ?? journal).length * this.#lineBytes, snapshot: snapshot?.length ?? 0 };
      },
    };
  }
}

/** As fileDisk's `load`: a crash may have left two journals, which become one. */
function stateOf(files: Files): DiskState | undefined {
  if (files.snapshot === undefined) return undefined;
  files.journal.push(...(files.next ?? []));
  files.next = undefined;
  const { head, records } = JSON.parse(files.snapshot) as { head: DiskHead; records: KeyRecord[] };
  const state: DiskState = { head, records, entries: [], lease: null };
  for (const text of files.journal) {
    const line = JSON.parse(text) as JournalLine;
    if ("boot" in line) state.head.boot = line.boot;
    if ("lease" in line) state.lease = line.lease;
    if ("entry" in line) state.entries.push(line.entry);
  }
  return state;
}
