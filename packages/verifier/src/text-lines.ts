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
    let start = 0;
    const end = /\r\n|\n|\r/g;
    for (let match = end.exec(text); match !== null; match = end.exec(text)) {
      this.#onLine(text.slice(start, match.index));
      start = end.lastIndex;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length > this.#lengthMax) throw new Error(`a line of more than ${this.#lengthMax} characters`);
  }

  /** What came after the last line's end: of a stream that was cut off, half a line. */
  get rest(): string {
    return this.#rest;
  }
}
