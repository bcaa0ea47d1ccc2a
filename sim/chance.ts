/** Chance from a seed: the same seed gives the same numbers on every machine. Streams with different names are independent. */

export class Chance {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: string) {
    this.#seed = seed;
    [this.#a, this.#b, this.#c] = [hashText(`${seed} a`), hashText(`${seed} b`), hashText(`${seed} c`)];
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A stream of its own: what it is asked changes nothing of this one. */
  fork(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`);
  }

  /** 32 bits (sfc32, which passes PractRand). */
  next(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 to 1, 1 excluded. */
  unit(): number {
    return this.next() / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  /** A whole number; both ends are possible. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  happens(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.unit() * list.length)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    return list.map(() => left.splice(this.whole(0, left.length - 1), 1)[0] as T);
  }

  readonly bytes = (length: number): Uint8Array => {
    const made = new Uint8Array(length);
    for (let i = 0; i < length; i++) made[i] = this.next() >>> 24;
    return made;
  };
}

/** FNV-1a, 32 bits. `from` carries on from an earlier text. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
