/**
 * A key's text to its digest, on the hot path: in WebAssembly (`key-digest-code.ts`), or in JavaScript where there is none
 * (`--jitless`, a processor without vectors, a limit on address space). Made at the first text, so that only verifiers
 * pay for it, and nothing of it is read from a file: what runs is what can be read here.
 */
import { encodeBase62 } from "./base62.ts";
import { crc32, crc32Tables } from "./crc32.ts";
import { keyDigestModule, PLACES } from "./key-digest-code.ts";
import { DIGITS, digestPlainly, RANDOM_LENGTH, TEXT_LENGTH_MAX, TEXT_LENGTH_MIN } from "./key-scan.ts";
import { INITIAL_STATE, ROUND_CONSTANTS } from "./sha256-block.ts";

type DigestKeyText = (text: string, digest: Int32Array) => number;

let chosen: DigestKeyText | undefined;

/**
 * `parseKeyText` and `sha256Ascii` in one: writes the eight words of the digest of a well-formed text with a right checksum
 * into `digest` and answers the length of its prefix; 0 for any other text. Makes nothing on the heap.
 */
export function digestKeyText(text: string, digest: Int32Array): number {
  chosen ??= choose();
  return chosen(text, digest);
}

/** WebAssembly, if it answers as it should: on a processor whose numbers begin with the high byte it would not. */
function choose(): DigestKeyText {
  const fast = digestInWasm();
  if (fast === undefined) return digestPlainly;
  const head = `ab_cd_${"0".repeat(RANDOM_LENGTH)}`;
  const [expected, found] = [new Int32Array(8), new Int32Array(8)];
  const text = head + encodeBase62(crc32(head), 6);
  const agrees = fast(text, found) === digestPlainly(text, expected) && expected.every((word, i) => word === found[i]);
  return agrees ? fast : digestPlainly;
}

/** What of WebAssembly's API is used. */
interface Wasm {
  Module: new (code: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object) => { exports: { memory: { buffer: ArrayBuffer }; run: (length: number) => number } };
}

/** Undefined where there is no WebAssembly. */
export function digestInWasm(): DigestKeyText | undefined {
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };
  let exports: InstanceType<Wasm["Instance"]>["exports"];
  try {
    exports = new wasm.Instance(new wasm.Module(keyDigestModule(INITIAL_STATE))).exports;
  } catch {
    return undefined; // also if it is missing altogether
  }
  const { run, memory } = exports;
  const { buffer } = memory;
  new Int32Array(buffer, PLACES.rounds).set(ROUND_CONSTANTS);
  new Int32Array(buffer, PLACES.crc).set(crc32Tables(8));
  const bytes = new Uint8Array(buffer);
  bytes.set(DIGITS, PLACES.values);
  for (let i = 0; i < 64; i++) bytes[PLACES.positions + i] = i;
  const given = new Uint8Array(buffer, PLACES.text, PLACES.digest);
  const made = new Int32Array(buffer, PLACES.digest, 8);
  const encoder = new TextEncoder();
  return (text, digest) => {
    const length = text.length;
    if (length < TEXT_LENGTH_MIN || length > TEXT_LENGTH_MAX) return 0;
    // A character beyond ASCII becomes bytes from 0x80 up, the first of them at the character's own place: no digits.
    encoder.encodeInto(text, given);
    const prefixEnd = run(length);
    if (prefixEnd !== 0) for (let i = 0; i < 8; i++) digest[i] = made[i] as number;
    return prefixEnd;
  };
}
