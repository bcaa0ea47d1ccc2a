/** What a gateway says that it wants: what is remembered of it. */
import { expect, test } from "vitest";
import type { Verifier } from "../verifier.ts";
import { WantedBook } from "./wanted.ts";

test("what is said of a key's use is remembered, but for texts that no gateway's configuration has", () => {
  const book = new WantedBook({ docsUrl: "https://docs.test" } as Verifier);
  expect(book.byQuery("scope=market:read")).toBe(book.byQuery("scope=market:read"));
  const long = `scope=market:read${"&scope=market:read".repeat(300)}&environment=live`;
  expect(typeof book.byQuery(long)).toBe("string");
  const scopes = Array.from({ length: 20 }, (_, i) => `a${i}:${"b".repeat(60)}`);
  const extensions: [string, string][] = [["scope", `${scopes.join(" ")}`]];
  expect(book.byExtensions(extensions)).toBe(book.byExtensions(extensions));
  const padded: [string, string][] = [["scope", scopes.join(" ".repeat(400))]];
  expect(typeof book.byExtensions(padded)).toBe("object");
  expect(book.byExtensions(padded)).not.toBe(book.byExtensions(padded));
});
