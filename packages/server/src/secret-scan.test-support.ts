/**
 * Looks for planted secrets in whatever a test run produced (I15): files, folders, texts, thrown errors. A secret is looked for as it is,
 * and in the disguises in which a text gets into logs, tables and URLs: JSON-escaped, URL-encoded, hex, base64 and base64url at any offset
 * within a longer text, UTF-16, reversed; and its random part alone. What is compressed or encrypted is not seen through.
 *
 * Thousands of disguises are looked for at once, in one pass (Rabin and Karp): what begins like one of them is compared with it.
 *
 * A finding names the secret, the disguise and the place, never the secret itself: a test's failure is a log too.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";

interface Disguise {
  name: string;
  bytes: Buffer;
  /** Hex digits come in both cases. */
  anyCase?: true;
}

interface Sought extends Disguise {
  secret: string;
}

type Search = (content: Buffer) => Set<Sought>;

export class SecretScan {
  readonly #planted = new Map<string, { text: string; disguises: Sought[] }>();
  readonly #findings = new Set<string>();
  #search: Search | undefined;
  /** How much was looked through: a scan of nothing finds nothing. */
  readonly scanned = { contents: 0, files: 0 };

  /** `name` may be printed. */
  plant(name: string, secret: string | Uint8Array): void {
    const bytes = Buffer.from(secret);
    if (bytes.length < PART_LENGTH) throw new Error(`${name} is so short that it would be found by chance`);
    this.#planted.set(name, {
      text: bytes.toString("utf8"),
      disguises: disguisesOf(bytes).map((disguise) => ({ secret: name, ...disguise })),
    });
    this.#search = undefined;
  }

  get size(): number {
    return this.#planted.size;
  }

  /** Each as `secret, disguise, place`. */
  get findings(): string[] {
    return [...this.#findings].sort();
  }

  look(place: string, content: string | Uint8Array): void {
    this.scanned.contents += 1;
    this.#search ??= searchFor([...this.#planted.values()].flatMap(({ disguises }) => disguises));
    for (const { secret, name } of this.#search(Buffer.from(content)))
      this.#findings.add(`${secret}, ${name}, in ${this.#masked(place)}`);
  }

  /** Files, and folders with all that is below them. */
  lookInto(...paths: string[]): void {
    for (const path of paths) {
      if (statSync(path).isDirectory()) this.lookInto(...readdirSync(path).map((name) => join(path, name)));
      else {
        this.scanned.files += 1;
        this.look(path, path);
        this.look(path, readFileSync(path));
      }
    }
  }

  #masked(place: string): string {
    return [...this.#planted.values()].reduce((masked, { text }) => masked.replaceAll(text, "[secret]"), place);
  }

  /** All that a program could print of a value, most often of an error. */
  lookAt(place: string, value: unknown): void {
    const deep = inspect(value, { depth: 20, showHidden: true, getters: true, maxStringLength: null });
    this.look(`${place}, inspected`, deep);
    this.look(`${place}, as text`, String(value));
    this.look(`${place}, as JSON`, JSON.stringify(value) ?? "");
    if (value instanceof Error) {
      this.look(`${place}, its stack`, value.stack ?? "");
      if (value.cause !== undefined) this.lookAt(`${place}, its cause`, value.cause);
    }
  }
}

/** The authority's keys end in 38 characters of chance and checksum; this much of them would tell too much. */
const PART_LENGTH = 20;

function disguisesOf(secret: Buffer): Disguise[] {
  const hex = secret.toString("hex");
  const all: Disguise[] = [
    { name: "raw", bytes: secret },
    ...textDisguises(secret.toString("utf8"), secret),
    { name: "URL-encoded in every byte", bytes: Buffer.from(hex.replace(/../g, "%$&")), anyCase: true },
    { name: "hex", bytes: Buffer.from(hex), anyCase: true },
    { name: "reversed", bytes: Buffer.from(secret).reverse() },
    ...[0, 1, 2].flatMap((offset) => base64At(secret, offset)),
  ];
  return all.filter(({ bytes }, i) => all.findIndex((other) => other.bytes.equals(bytes)) === i);
}

/** A master key is no text. */
function textDisguises(text: string, secret: Buffer): Disguise[] {
  if (!Buffer.from(text).equals(secret)) return [];
  const wide = Buffer.from(text, "utf16le");
  const random = text.slice(text.lastIndexOf("_") + 1).slice(0, PART_LENGTH);
  return [
    { name: "JSON-escaped", bytes: Buffer.from(JSON.stringify(text).slice(1, -1)) },
    { name: "URL-encoded", bytes: Buffer.from(encodeURIComponent(text)) },
    { name: "UTF-16", bytes: wide },
    { name: "UTF-16, big end first", bytes: Buffer.from(wide).swap16() },
    ...(random.length < PART_LENGTH ? [] : [{ name: "its random part", bytes: Buffer.from(random) }]),
  ];
}

/** Without what depends on the text before and after it. */
function base64At(secret: Buffer, offset: number): Disguise[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), secret]).toString("base64");
  const own = encoded.slice(offset === 0 ? 0 : 4, -4);
  const forUrl = own.replaceAll("+", "-").replaceAll("/", "_");
  return [
    { name: `base64 from offset ${offset}`, bytes: Buffer.from(own) },
    { name: `base64url from offset ${offset}`, bytes: Buffer.from(forUrl) },
  ];
}

/** So many bytes of each disguise are looked for; the rest is compared. None is shorter. */
const WINDOW = 16;
const BASE = 0x01000193;
/** What falls out of the window has been multiplied so often. */
const OUT = Array.from({ length: WINDOW - 1 }).reduce<number>((product) => Math.imul(product, BASE), 1);
const FOLDED = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));

function searchFor(all: readonly Sought[]): Search {
  const byStart = new Map<number, Sought[]>();
  // Most places of most contents are told apart by this table alone.
  const bits = Math.max(13, Math.ceil(Math.log2(all.length + 1)) + 7);
  const maybe = new Uint8Array(2 ** bits);
  const place = (hash: number) => Math.imul(hash, 0x9e3779b1) >>> (32 - bits);
  for (const sought of all) {
    const start = hashOf(sought.bytes.subarray(0, WINDOW));
    maybe[place(start)] = 1;
    byStart.set(start, [...(byStart.get(start) ?? []), sought]);
  }
  return (content) => {
    const found = new Set<Sought>();
    let hash = hashOf(content.subarray(0, WINDOW - 1));
    for (let end = WINDOW - 1, from = 0; end < content.length; end++, from++) {
      hash = (Math.imul(hash, BASE) + (FOLDED[content[end] as number] as number)) | 0;
      if (maybe[place(hash)] === 1)
        for (const sought of byStart.get(hash) ?? []) if (standsAt(content, from, sought)) found.add(sought);
      hash = (hash - Math.imul(FOLDED[content[from] as number] as number, OUT)) | 0;
    }
    return found;
  };
}

/** Upper and lower case are alike here. */
function hashOf(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => (Math.imul(hash, BASE) + (FOLDED[byte] as number)) | 0, 0);
}

function standsAt(content: Buffer, from: number, { bytes, anyCase }: Sought): boolean {
  const there = content.subarray(from, from + bytes.length);
  return anyCase ? there.toString("latin1").toLowerCase() === bytes.toString("latin1") : there.equals(bytes);
}
