/**
 * The replica on disk, so that a process restarted without the authority can go on (R42), and so that it never goes on
 * from before what it has acknowledged (I5).
 *
 *     <dataDir>/lock            pid of the process that uses the folder
 *     <api>.replica             a snapshot: the table as it stands in memory, each part with a CRC-32 (flat/table-file.ts)
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
import { appendFile, type FileHandle, mkdir, open, readFile, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { FeedEntry, KeyRecord, Log, PlanRecord, StalenessPolicy, Welcome } from "@keyover/core";
import { lockFolder } from "./disk-lock.ts";
import { FlatTable } from "./flat/flat-table.ts";
import { fileChunks, TableReader, Unreadable } from "./flat/table-file.ts";
import { asEntry, asPlans, parseJson } from "./shapes.ts";

/** Who wrote it: enough to route a text and to register as the successor of the dead process. */
export interface DiskHead {
  api: Welcome["api"];
  environments: string[];
  boot: string;
  instance: string;
  /** What `seq` means something in. */
  epoch: string;
  seq: number;
  /** Of the api; absent from older programs. */
  plans?: PlanRecord[] | undefined;
}

/** What a restarted process may still do without the authority. Times are wall-clock milliseconds of this machine. */
export interface DiskLease extends StalenessPolicy {
  writtenAt: number;
  until: number;
  /** The authority's time at `writtenAt`. */
  authorityNow: number;
  /** How many there were: what share of a limit one has that starts without the authority. Absent from older programs. */
  verifiers?: number | undefined;
}

export type JournalLine = { entry: FeedEntry } | { lease: DiskLease | null } | { boot: string };

export interface DiskState {
  head: DiskHead;
  records: KeyRecord[];
  /** The records once more, as a table that may be taken over; then `records` need not be read. */
  table?: FlatTable | undefined;
  entries: FeedEntry[];
  /** Null: the state may not be used without the authority. */
  lease: DiskLease | null;
}

export interface ReplicaDisk {
  /** Keeps other processes out until the answer is called. Throws a sentence that names the other process. */
  lock(): Promise<() => Promise<void>>;
  load(api: string): Promise<DiskState | undefined>;
  /**
   * Writes the whole state anew; what is appended meanwhile is kept beside it. `table`: what the records stand in, where it is at
   * hand; then they need not be read.
   */
  save(api: string, head: DiskHead, records: Iterable<KeyRecord>, table?: FlatTable): Promise<void>;
  append(api: string, lines: readonly JournalLine[]): Promise<void>;
  /** Takes away the journal, and with it the leave to go on without the authority. Works on a full disk too. */
  forget(api: string): Promise<void>;
  /** Bytes of the journal since the last save, and of that save. */
  sizes(api: string): { journal: number; snapshot: number };
}

const READ_BYTES = 1024 * 1024;

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
    load: (api) => filesOf(api).load(api),
    save: (api, head, records, table) => filesOf(api).save(head, table ?? tableOf(records)),
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

  async load(api: string): Promise<DiskState | undefined> {
    const snapshot = await readSnapshot(`${this.#path}.replica`, api);
    if (snapshot === undefined) return undefined;
    if (typeof snapshot === "string") {
      await this.#moveAside(["replica", "journal", "journal-next"], snapshot);
      return undefined;
    }
    this.sizes.snapshot = snapshot.size;
    const { head, table } = snapshot;
    const state: DiskState = {
      head,
      get records() {
        return [...table.heads()].map((slot) => table.recordOf(slot));
      },
      table,
      entries: [],
      lease: null,
    };
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

  async save(head: DiskHead, table: FlatTable): Promise<void> {
    await this.#inTurn(async () => {
      await this.#journal?.close();
      this.#journal = await this.#openJournal("journal-next");
      this.sizes.journal = 0;
    });
    this.sizes.snapshot = await writeSnapshot(`${this.#path}.replica`, head, table);
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

async function writeSnapshot(path: string, head: DiskHead, table: FlatTable): Promise<number> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  let size = 0;
  try {
    for (const chunk of fileChunks(table, head)) {
      await file.appendFile(chunk);
      size += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  return size;
}

function tableOf(records: Iterable<KeyRecord>): FlatTable {
  const table = new FlatTable();
  for (const record of records) table.write(record, table.headOf(record.key));
  return table;
}

interface Snapshot {
  head: DiskHead;
  table: FlatTable;
  size: number;
}

/** The snapshot, or the reason why there is none; undefined if there is no file. */
async function readSnapshot(path: string, api: string): Promise<Snapshot | string | undefined> {
  const file = await open(path, "r").catch(ignoreAbsent);
  if (file === undefined) return undefined;
  try {
    const reader = new TableReader();
    const size = await readParts(file, reader);
    const head = headOf(reader.head);
    if (head === undefined) return "it has no head";
    if (head.api.name !== api && head.api.id !== api) return `it is of the api ${head.api.name}`;
    return { head, table: reader.table, size };
  } catch (error) {
    if (error instanceof Unreadable) return error.message;
    throw error;
  } finally {
    await file.close();
  }
}

/** In pieces, so that other work goes on: the next is read while one is taken. Answers how many bytes there were. */
async function readParts(file: FileHandle, reader: TableReader): Promise<number> {
  // Each is read into the second half; what was left of the one before is put in front of it.
  let [piece, other] = [Buffer.allocUnsafe(2 * READ_BYTES), Buffer.allocUnsafe(2 * READ_BYTES)];
  let left: Buffer = Buffer.alloc(0);
  let size = 0;
  let reading = file.read(piece, READ_BYTES, READ_BYTES);
  for (;;) {
    const { bytesRead } = await reading;
    if (bytesRead === 0) break;
    size += bytesRead;
    const bytes = joined(left, piece, bytesRead);
    reading = file.read(other, READ_BYTES, READ_BYTES);
    reading.catch(() => {}); // whoever awaits it is told, if what follows does not throw before
    let at = 0;
    for (let taken = -1; taken !== 0 && at < bytes.length; at += taken) taken = reader.take(bytes, at);
    left = bytes.subarray(at);
    [piece, other] = [other, piece];
  }
  reader.finish(left.length);
  return size;
}

function joined(left: Buffer, piece: Buffer, read: number): Buffer {
  const end = READ_BYTES + read;
  // A part that is longer than a piece.
  if (left.length > READ_BYTES) return Buffer.concat([left, piece.subarray(READ_BYTES, end)]);
  left.copy(piece, READ_BYTES - left.length);
  return piece.subarray(READ_BYTES - left.length, end);
}

function headOf(value: unknown): DiskHead | undefined {
  const head = value as Partial<DiskHead> | undefined;
  if (typeof head?.api?.name !== "string" || typeof head.boot !== "string" || typeof head.seq !== "number")
    return undefined;
  const plans = asPlans(head.plans ?? []);
  if (plans === undefined) return undefined;
  // Files of before there were epochs have none.
  return { epoch: "", ...(head as Omit<DiskHead, "epoch">), plans };
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

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
