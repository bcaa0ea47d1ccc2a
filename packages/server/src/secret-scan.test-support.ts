/**
 * Looks for planted secrets in whatever a test run produced (I15): files, folders, texts, thrown errors. A secret is looked for as it is,
 * and in the disguises in which a text gets into logs, tables and URLs: JSON-escaped, URL-encoded, hex, base64 and base64url at any offset
 * within a longer text, UTF-16, reversed; and its random part alone. What is compressed or encrypted is not seen through.
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

export class SecretScan {
  readonly #planted = new Map<string, { text: string; disguises: Disguise[] }>();
  readonly #findings = new Set<string>();
  /** How much was looked through: a scan of nothing finds nothing. */
  readonly scanned = { contents: 0, files: 0 };

  /** `name` may be printed. */
  plant(name: string, secret: string | Uint8Array): void {
    const bytes = Buffer.from(secret);
    if (bytes.length < PART_LENGTH) throw new Error(`${name} is so short that it would be found by chance`);
    this.#planted.set(name, { text: bytes.toString("utf8"), disguises: disguisesOf(bytes) });
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
    const bytes = Buffer.from(content);
    const lower = Buffer.from(bytes.toString("latin1").toLowerCase(), "latin1");
    for (const [secret, { disguises }] of this.#planted) {
      for (const { name, bytes: form, anyCase } of disguises)
        if ((anyCase ? lower : bytes).includes(form))
          this.#findings.add(`${secret}, ${name}, in ${this.#masked(place)}`);
    }
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
