/**
 * A secret in the program: whatever prints, logs or serialises it gets `[secret]`. `reveal()` is the only way to the
 * text, so that every place that needs it can be found by searching for the word.
 */
import { inspect } from "node:util";

export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return "[secret]";
  }
  toJSON(): string {
    return "[secret]";
  }
  [inspect.custom](): string {
    return "[secret]";
  }
}
