/**
 * Server-sent events (WHATWG HTML §9.2.6), as much as the feed uses: `event`, `data`, comments. An event that the
 * stream's end cut off is never delivered.
 */
import { LineSplitter } from "./text-lines.ts";

export class EventParser {
  #event = "";
  #data: string | undefined;
  readonly #lines: LineSplitter;
  readonly #onEvent: (event: string, data: string) => void;

  constructor(onEvent: (event: string, data: string) => void) {
    this.#onEvent = onEvent;
    this.#lines = new LineSplitter((line) => this.#line(line));
  }

  push(chunk: string): void {
    this.#lines.push(chunk);
  }

  #line(line: string): void {
    if (line === "") {
      const [event, data] = [this.#event, this.#data];
      this.#event = "";
      this.#data = undefined;
      if (data !== undefined) this.#onEvent(event === "" ? "message" : event, data);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? "" : line.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    if (field === "event") this.#event = value;
    if (field === "data") this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }
}
