/**
 * A backup as a file: the database, and an end by which a file that was cut off, altered or made by somebody else is known.
 *
 *     the database │ manifest (JSON) │ 16 bytes magic, 4 format, 4 length of the manifest, 8 length of the database │ SHA-256 of all before
 */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { RefusedError } from "./exit-codes.ts";

export interface Manifest {
  /** Epoch milliseconds. */
  takenAt: number;
  /** Such as `keyover/0.1.0`. */
  software: string;
  schema: number;
  /** The last entry of the audit log. */
  audit: { seq: number; hash: string };
}

export interface BackupFile {
  manifest: Manifest;
  /** Bytes of the database, from the file's beginning. */
  length: number;
}

const MAGIC = Buffer.from("keyover backup\n\0");
const FORMAT = 1;
const HEAD = MAGIC.length + 16;
const HASH = 32;
const MANIFEST_MAX = 65_536;

/** Puts the end behind a database. */
export async function sealBackup(path: string, manifest: Manifest): Promise<void> {
  const file = openSync(path, "r+");
  try {
    const length = fstatSync(file).size;
    const text = Buffer.from(JSON.stringify(manifest));
    const head = Buffer.alloc(HEAD);
    MAGIC.copy(head);
    head.writeUInt32BE(FORMAT, MAGIC.length);
    head.writeUInt32BE(text.length, MAGIC.length + 4);
    head.writeBigUInt64BE(BigInt(length), MAGIC.length + 8);
    const hash = await hashOf(path, length);
    const end = Buffer.concat([text, head, hash.update(text).update(head).digest()]);
    for (let done = 0; done < end.length; ) done += writeSync(file, end, done, end.length - done, length + done);
  } finally {
    closeSync(file);
  }
}

/** Reads a backup's end, and the whole file once, to see that it is whole. */
export async function readBackup(path: string): Promise<BackupFile> {
  const file = openSync(path, "r");
  let end: Buffer;
  let first: Buffer;
  let size: number;
  try {
    size = fstatSync(file).size;
    first = readAt(file, 0, 16);
    end = readAt(file, Math.max(0, size - HEAD - HASH), HEAD + HASH);
  } finally {
    closeSync(file);
  }
  if (end.length < HEAD + HASH || !end.subarray(0, MAGIC.length).equals(MAGIC))
    throw new RefusedError(noBackup(path, first));
  const format = end.readUInt32BE(MAGIC.length);
  if (format !== FORMAT)
    throw new RefusedError(
      `${path} is a backup of format ${format}; this program knows ${FORMAT}. Restore it with the newer program`,
    );
  const manifestLength = end.readUInt32BE(MAGIC.length + 4);
  const length = Number(end.readBigUInt64BE(MAGIC.length + 8));
  const damaged = new RefusedError(
    `${path} was damaged or altered since it was made; take another backup. Nothing was done`,
  );
  if (manifestLength > MANIFEST_MAX || length + manifestLength + HEAD + HASH !== size) throw damaged;
  const hash = await hashOf(path, size - HASH);
  if (!hash.digest().equals(end.subarray(HEAD))) throw damaged;
  return { manifest: readManifest(path, length, manifestLength), length };
}

function noBackup(path: string, first: Buffer): string {
  return first.toString("latin1") === "SQLite format 3\0"
    ? `${path} is cut off, or was not made by keyover backup: a backup's end is missing. Take another backup. Nothing was done`
    : `${path} is no backup of Keyover's. Nothing was done`;
}

function readManifest(path: string, at: number, length: number): Manifest {
  const file = openSync(path, "r");
  try {
    return JSON.parse(readAt(file, at, length).toString()) as Manifest;
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = readSync(file, bytes, done, length - done, at + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}

/** Of the first `length` bytes. */
async function hashOf(path: string, length: number) {
  const hash = createHash("sha256");
  if (length === 0) return hash;
  for await (const chunk of createReadStream(path, { end: length - 1 })) hash.update(chunk as Buffer);
  return hash;
}
