/**
 * Where the processes of one standalone verifier keep their replicas: `<data>/1`, `<data>/2`, … Of N processes, N + 1 such slots: one that
 * is to replace another starts in the free one, with what the other has on disk, while the other goes on.
 *
 *     slot 1  in use ──copied, its lease and its boot taken away──▶ slot 2  starts, registers as itself, gets level
 *
 * The copy is a beginning and no leave to answer: a lease belongs to the process that it was granted to. When the authority is away, the
 * new process waits, and the old one goes on.
 */
import { copyFile, mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "@keyover/core";
import { fileDisk } from "../disk.ts";

export function slotFolder(data: string, slot: number): string {
  return join(data, String(slot));
}

/** Slots 1 to `count`, the one written to last first: after a crash that is the one with a lease worth going on from. */
export async function slotsByFreshness(data: string, count: number): Promise<number[]> {
  const slots = Array.from({ length: count }, (_, i) => i + 1);
  const times = new Map<number, number>();
  for (const slot of slots) times.set(slot, await lastWrittenAt(slotFolder(data, slot)));
  return slots.sort((a, b) => (times.get(b) as number) - (times.get(a) as number));
}

async function lastWrittenAt(folder: string): Promise<number> {
  let newest = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!isReplicaFile(name)) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined) newest = Math.max(newest, found.mtimeMs);
  }
  return newest;
}

/**
 * Puts a copy of slot `from`, which is in use, in the place of slot `to`, which is not. Whatever goes wrong, `to` is empty or whole
 * afterwards; empty, its process takes a snapshot from the authority.
 */
export async function seedSlot(
  data: string,
  from: number,
  to: number,
  apis: readonly string[],
  log: Log,
): Promise<void> {
  const target = slotFolder(data, to);
  const draft = `${target}.seeding`;
  try {
    // Throws if a process is at work there after all: of another verifier that was given the same folder.
    const unlock = await fileDisk(target, log).lock();
    await rm(draft, { recursive: true, force: true });
    await rm(target, { recursive: true, force: true });
    await unlock();
    await mkdir(draft, { recursive: true, mode: 0o700 });
    await copyReplicas(slotFolder(data, from), draft);
    await disown(draft, apis, log);
    // Until its own process writes there, the copy is no place to go on from after a crash: the original is.
    for (const name of await readdir(draft)) await utimes(join(draft, name), 0, 0);
    await rename(draft, target);
  } catch (error) {
    log("warn", "verifier.slot_not_seeded", { from, to, error: (error as Error).message });
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Journals before snapshots: if a snapshot is finished in between, the journal's entries are older than its records and change nothing. The
 * other way round an entry could be missing from both.
 */
async function copyReplicas(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter(isReplicaFile);
  const isSnapshot = (name: string) => name.endsWith(".replica");
  for (const name of [...names.filter((each) => !isSnapshot(each)), ...names.filter(isSnapshot)]) {
    await copyFile(join(from, name), join(to, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
}

function isReplicaFile(name: string): boolean {
  return name.startsWith("api-") && /\.(replica|journal|journal-next)$/.test(name);
}

/** The lease and the boot of the process that it was copied from are not for the one that will start here. */
async function disown(folder: string, apis: readonly string[], log: Log): Promise<void> {
  const disk = fileDisk(folder, log);
  const unlock = await disk.lock();
  try {
    for (const api of apis) {
      // Loading mends a line that was copied while it was being written.
      if ((await disk.load(api)) !== undefined) await disk.append(api, [{ lease: null }, { boot: "" }]);
    }
  } finally {
    await unlock();
  }
}
