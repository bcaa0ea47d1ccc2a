/**
 * One process per folder: a lock file with the process's number and the time it began. The mark of a dead process is taken over;
 * its number alone would not do, because in a container every process has the same one.
 */
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseJson } from "./shapes.ts";
import { isRunning, type ProcessMark, thisProcess } from "./world.ts";

/** Folders locked by this very process: its own mark says nothing about which of its verifiers made it. */
const mine = new Set<string>();

export async function lockFolder(dataDir: string): Promise<() => Promise<void>> {
  const folder = resolve(dataDir);
  const path = join(folder, "lock");
  const mark = thisProcess();
  if (mine.has(folder)) throw inUse(dataDir, mark.pid);
  mine.add(folder);
  try {
    const draft = `${path}.${mark.pid}`;
    await writeFile(draft, JSON.stringify(mark), { mode: 0o600 });
    for (let attempt = 0; ; attempt++) {
      // A link appears whole or not at all, and only where none is.
      if (await linked(draft, path)) break;
      const holder = await readMark(path);
      const alive = holder !== undefined && !sameProcess(holder, mark) && isRunning(holder);
      if (alive || attempt === 3) throw inUse(dataDir, holder?.pid);
      await rename(path, `${path}.stale`).catch(() => undefined);
    }
    await rm(draft, { force: true });
    await rm(`${path}.stale`, { force: true });
  } catch (error) {
    mine.delete(folder);
    throw error;
  }
  return async () => {
    mine.delete(folder);
    const holder = await readMark(path);
    if (holder !== undefined && sameProcess(holder, mark)) await rm(path, { force: true });
  };
}

function inUse(dataDir: string, pid: number | undefined): Error {
  const who = pid === undefined ? "another process" : `process ${pid}`;
  return new Error(`the verifier's dataDir ${dataDir} is in use by ${who}; give each process a folder of its own`);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readMark(path: string): Promise<ProcessMark | undefined> {
  const mark = parseJson(await readFile(path, "utf8").catch(() => "")) as ProcessMark | null | undefined;
  return typeof mark?.pid === "number" ? mark : undefined;
}

function sameProcess(a: ProcessMark, b: ProcessMark): boolean {
  return a.pid === b.pid && a.birth === b.birth;
}
