/**
 * A secret that cannot be printed by accident: in a log, an error, JSON or an inspector it is `[secret]`.
 * The text is private to the class, so not even `util.inspect(…, { showHidden: true })` reaches it.
 */
const SHOWN = "[secret]";
const LENGTH_MAX = 4096;

export class Secret {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** `text` without the white space around it; undefined if what is left can be no key (it must fit an HTTP header). */
  static parse(text: unknown): Secret | undefined {
    if (typeof text !== "string") return undefined;
    const trimmed = text.trim();
    return trimmed.length > 0 && trimmed.length <= LENGTH_MAX && /^[\x21-\x7e]+$/.test(trimmed)
      ? new Secret(trimmed)
      : undefined;
  }

  reveal(): string {
    return this.#text;
  }

  same(other: Secret | undefined): boolean {
    return other !== undefined && other.#text === this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return SHOWN;
  }
}

/** One version of the key. `version` is unknown until the authority, or the sidecar, has told it. */
export interface Held {
  secret: Secret;
  version: number | undefined;
}
