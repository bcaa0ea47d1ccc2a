/** Cuts a stream of text chunks into lines (LF, CRLF or CR), however the chunks fall. A line beyond `lengthMax` is an error. */
export class LineSplitter {
  #rest = "";
  #afterCr = false;
  readonly #onLine: (line: string) => void;
  readonly #lengthMax: number;

  constructor(onLine: (line: string) => void, lengthMax = 16 * 1024 * 1024) {
    this.#onLine = onLine;
    this.#lengthMax = lengthMax;
  }

  push(chunk: string): void {
    let text = this.#afterCr && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
    if (chunk !== "") this.#afterCr = chunk.endsWith("\r");
    if (this.#rest !== "") text = this.#rest + text;
    // The authority ends lines with LF alone; that goes several times faster.
    this.#rest = text.slice(text.includes("\r") ? this.#cutAnywhere(text) : this.#cut(text));
    if (this.#rest.length > this.#lengthMax) throw new Error(`a line of more than ${this.#lengthMax} characters`);
  }

  /** Answers where the rest begins. */
  #cut(text: string): number {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#onLine(text.slice(start, end));
      start = end + 1;
    }
    return start;
  }

  #cutAnywhere(text: string): number {
    let start = 0;
    for (const { 0: end, index } of text.matchAll(/\r\n|\n|\r/g)) {
      this.#onLine(text.slice(start, index));
      start = index + end.length;
    }
    return start;
  }

  /** What came after the last line's end: of a stream that was cut off, half a line. */
  get rest(): string {
    return this.#rest;
  }
}
