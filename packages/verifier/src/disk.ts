/**
 * The replica on disk, so that a process restarted without the authority can go on (R42), and so that it never goes on
 * from before what it has acknowledged (I5).
 *
 *     <dataDir>/lock            pid of the process that uses the folder
 *     <api>.replica             a snapshot: format line, head, one record a line, SHA-256 of all before
 *     <api>.journal             what came since: feed entries, leases, boots; each line with a CRC-32
 *     <api>.journal-next        what came while a new snapshot is being written
 *     *.unreadable-<n>/         what was corrupt, foreign or newer than this program; moved aside, never used
 *
 * Order: an entry is in the journal before it is acknowledged. A new snapshot is begun by turning the journal to
 * `journal-next`, written to a temporary file, synced, renamed; then `journal-next` is renamed over `journal`. After a crash
 * at any point the snapshot and both journals, read in this order, give the state: entries that the snapshot already has are
 * older than its records and change nothing. The journal is not synced at each line: it survives the
 * process's death, and after a power cut it may lack its last seconds.
 *
 * Secrets never come here: records hold hashes only.
 */
import { createHash } from "node:crypto";
import { appendFile, type FileHandle, mkdir, open, readFile, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { FeedEntry, KeyRecord, Log, StalenessPolicy, Welcome } from "@keyover/core";
import { lockFolder } from "./disk-lock.ts";
import { asEntry, asRecord, parseJson } from "./shapes.ts";

/** Who wrote it: enough to route a text and to register as the successor of the dead process. */
export interface DiskHead {
  api: Welcome["api"];
  environments: string[];
  boot: string;
  instance: string;
  /** What `seq` means something in. */
  epoch: string;
  seq: number;
}

/** What a restarted process may still do without the authority. Times are wall-clock milliseconds of this machine. */
export interface DiskLease extends StalenessPolicy {
  writtenAt: number;
  until: number;
  /** The authority's time at `writtenAt`. */
  authorityNow: number;
}

export type JournalLine = { entry: FeedEntry } | { lease: DiskLease | null } | { boot: string };

export interface DiskState {
  head: DiskHead;
  records: KeyRecord[];
  entries: FeedEntry[];
  /** Null: the state may not be used without the authority. */
  lease: DiskLease | null;
}

export interface ReplicaDisk {
  /** Keeps other processes out until the answer is called. Throws a sentence that names the other process. */
  lock(): Promise<() => Promise<void>>;
  load(api: string): Promise<DiskState | undefined>;
  /** Writes the whole state anew; what is appended meanwhile is kept beside it. */
  save(api: string, head: DiskHead, records: Iterable<KeyRecord>): Promise<void>;
  append(api: string, lines: readonly JournalLine[]): Promise<void>;
  /** Takes away the journal, and with it the leave to go on without the authority. Works on a full disk too. */
  forget(api: string): Promise<void>;
  /** Bytes of the journal since the last save, and of that save. */
  sizes(api: string): { journal: number; snapshot: number };
}

const FORMAT = "keyover-replica 1";
const RECORDS_PER_WRITE = 500;

export function fileDisk(dataDir: string, log: Log): ReplicaDisk {
  const folders = new Map<string, ApiFiles>();
  const filesOf = (api: string): ApiFiles => {
    const known = folders.get(api);
    if (known !== undefined) return known;
    const made = new ApiFiles(join(dataDir, `api-${encodeURIComponent(api)}`), log);
    folders.set(api, made);
    return made;
  };
  return {
    async lock() {
      await mkdir(dataDir, { recursive: true, mode: 0o700 });
      const unlock = await lockFolder(dataDir);
      return async () => {
        for (const files of folders.values()) await files.close();
        await unlock();
      };
    },
    load: (api) => filesOf(api).load(),
    save: (api, head, records) => filesOf(api).save(head, records),
    append: (api, lines) => filesOf(api).append(lines),
    forget: (api) => filesOf(api).forget(),
    sizes: (api) => filesOf(api).sizes,
  };
}

class ApiFiles {
  readonly sizes = { journal: 0, snapshot: 0 };
  readonly #path: string;
  readonly #log: Log;
  #journal: FileHandle | undefined;
  /** Writes happen one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  async load(): Promise<DiskState | undefined> {
    const snapshot = await readIfThere(`${this.#path}.replica`);
    if (snapshot === undefined) return undefined;
    const state = parseSnapshot(snapshot);
    if (typeof state === "string") {
      await this.#moveAside(["replica", "journal", "journal-next"], state);
      return undefined;
    }
    this.sizes.snapshot = snapshot.length;
    await this.#loadJournals(state);
    return state;
  }

  /** A crash may have left two journals: they become one, because what is appended from now on is newer than both. */
  async #loadJournals(state: DiskState): Promise<void> {
    const path = `${this.#path}.journal`;
    const next = `${path}-next`;
    for (const each of [path, next]) {
      const journal = await readIfThere(each);
      if (journal === undefined) continue;
      const whole = replayJournal(journal, state);
      if (whole === undefined) {
        state.lease = null;
        await this.#moveAside(["journal", "journal-next"], "a line of the journal is broken");
        return;
      }
      if (each === next) await appendFile(path, journal.subarray(0, whole), { mode: 0o600 });
      else if (whole < journal.length) await truncate(path, whole);
      this.sizes.journal += whole;
    }
    await rm(next, { force: true });
  }

  append(lines: readonly JournalLine[]): Promise<void> {
    return this.#inTurn(async () => {
      this.#journal ??= await this.#openJournal("journal");
      const text = lines.map(journalText).join("");
      await this.#journal.appendFile(text);
      this.sizes.journal += text.length;
    });
  }

  async save(head: DiskHead, records: Iterable<KeyRecord>): Promise<void> {
    await this.#inTurn(async () => {
      await this.#journal?.close();
      this.#journal = await this.#openJournal("journal-next");
      this.sizes.journal = 0;
    });
    this.sizes.snapshot = await writeSnapshot(`${this.#path}.replica`, head, records);
    await this.#inTurn(() => rename(`${this.#path}.journal-next`, `${this.#path}.journal`).catch(ignoreAbsent));
  }

  forget(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#journal?.close().catch(() => undefined);
      this.#journal = undefined;
      await rm(`${this.#path}.journal`, { force: true });
      await rm(`${this.#path}.journal-next`, { force: true });
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#journal?.close();
      this.#journal = undefined;
    });
  }

  #openJournal(name: string): Promise<FileHandle> {
    return open(`${this.#path}.${name}`, "a", 0o600);
  }

  async #moveAside(names: string[], reason: string): Promise<void> {
    let n = 1;
    while ((await stat(`${this.#path}.unreadable-${n}`).catch(() => undefined)) !== undefined) n++;
    const movedTo = `${this.#path}.unreadable-${n}`;
    await mkdir(movedTo, { mode: 0o700 });
    for (const name of names) {
      await rename(`${this.#path}.${name}`, join(movedTo, name)).catch(ignoreAbsent);
    }
    this.#log("warn", "disk.unreadable", { reason, movedTo });
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(run);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

async function writeSnapshot(path: string, head: DiskHead, records: Iterable<KeyRecord>): Promise<number> {
  const temporary = `${path}.tmp`;
  const hash = createHash("sha256");
  const file = await open(temporary, "w", 0o600);
  let size = 0;
  try {
    let text = `${FORMAT}\n${JSON.stringify(head)}\n`;
    let count = 0;
    const flush = async () => {
      hash.update(text);
      size += Buffer.byteLength(text);
      await file.appendFile(text);
      text = "";
    };
    for (const record of records) {
      text += `${JSON.stringify(record)}\n`;
      if (++count % RECORDS_PER_WRITE === 0) await flush();
    }
    await flush();
    await file.appendFile(`sha256 ${hash.digest("base64url")}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  return size;
}

/** The state, or the reason why there is none. */
function parseSnapshot(bytes: Buffer): DiskState | string {
  const format = bytes.subarray(0, 64).toString("latin1").split("\n", 1)[0] as string;
  if (format !== FORMAT) {
    return format.startsWith("keyover-replica ") ? `format "${format}" is not "${FORMAT}"` : "not a replica of Keyover";
  }
  const sumStart = bytes.length - 51; // "sha256 ", 43 characters, LF
  if (sumStart < 0) return "cut off";
  const sum = createHash("sha256").update(bytes.subarray(0, sumStart)).digest("base64url");
  if (bytes.subarray(sumStart).toString("latin1") !== `sha256 ${sum}\n`) return "its checksum does not hold";
  const records: KeyRecord[] = [];
  let head: DiskHead | undefined;
  for (let at = FORMAT.length + 1, end = 0; at < sumStart; at = end + 1) {
    end = bytes.indexOf(10, at);
    const parsed = parseJson(bytes.toString("utf8", at, end));
    if (head === undefined) {
      // Files of before there were epochs have none.
      head = { epoch: "", ...(parsed as Omit<DiskHead, "epoch">) };
      continue;
    }
    const record = asRecord(parsed);
    if (record === undefined) return "a record does not have the form of one";
    records.push(record);
  }
  if (head === undefined) return "it has no head";
  return { head, records, entries: [], lease: null };
}

function journalText(line: JournalLine): string {
  const text = JSON.stringify(line);
  return `${crcOf(text)} ${text}\n`;
}

function crcOf(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/**
 * Adds a journal's lines; answers how many bytes of it are whole. Undefined if a line in its midst is broken: what came
 * after is not to be trusted, and what came before is not all. A broken last line was being written when the process
 * died: nobody was told of it.
 */
function replayJournal(bytes: Buffer, state: DiskState): number | undefined {
  for (let at = 0, end = 0; at < bytes.length; at = end + 1) {
    end = bytes.indexOf(10, at);
    if (end < 0) return at;
    const line = bytes.toString("utf8", at, end);
    const text = line.slice(9);
    const parsed = line.slice(0, 9) === `${crcOf(text)} ` ? (parseJson(text) as Record<string, unknown>) : undefined;
    if (parsed === undefined) return end === bytes.length - 1 ? at : undefined;
    if ("boot" in parsed) state.head.boot = parsed.boot as string;
    if ("lease" in parsed) state.lease = parsed.lease as DiskLease | null;
    if ("entry" in parsed) {
      const entry = asEntry(parsed.entry);
      if (entry === undefined) return undefined;
      state.entries.push(entry);
    }
  }
  return bytes.length;
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
