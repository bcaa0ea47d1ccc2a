import { Console } from "node:console";
import { PassThrough } from "node:stream";
import { format, inspect } from "node:util";
import { expect, test } from "vitest";
import { Secret } from "./secret.ts";

test("a secret prints as [secret], however it is printed", () => {
  const secret = new Secret("mkt_live_planted");
  const stream = new PassThrough();
  new Console(stream).log(secret, { secret }, [secret], new Map([["secret", secret]]), "%s", secret);
  const printed = [
    String(secret),
    ["", secret].join(""),
    secret.toString(),
    JSON.stringify({ secret, list: [secret] }),
    inspect(secret),
    inspect({ deep: { er: { still: secret } } }, { depth: 9, showHidden: true }),
    format("%s %o %j", secret, secret, secret),
    `${new Error(`failed with ${String(secret)}`).stack}`,
    String(stream.read()),
    JSON.stringify(Object.assign({}, secret)),
    JSON.stringify(structuredClone(Object.assign({}, secret))),
  ];
  for (const text of printed) expect(text).not.toContain("planted");
  for (const text of printed.slice(0, 9)) expect(text).toContain("[secret]");
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe("mkt_live_planted");
});
