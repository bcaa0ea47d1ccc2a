/** The search through what all tests leave (canary.test-setup.ts) finds what it should: one that finds nothing would look as good. */
import { randomBytes } from "node:crypto";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { makeKeyText } from "@keyover/core";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { findPlanted, leave, leaveFolder, openCanary, plant } from "./canary.test-support.ts";
import { endAll, makeFolder, run } from "./processes.test-support.ts";

const ours = process.env.KEYOVER_CANARY;
const secret = () => makeKeyText("mkt", "live", randomBytes);
const master = () => Buffer.from(randomBytes(32)).toString("base64url");
let place: string;

beforeEach(() => {
  place = makeFolder("planted");
  openCanary(place);
});
afterAll(async () => {
  // What was planted here was meant to be found: the whole run's search shall not see it.
  delete process.env.KEYOVER_CANARY;
  await endAll();
  if (ours !== undefined) process.env.KEYOVER_CANARY = ours;
});

function folderWith(name: string, text: string | Buffer): string {
  const folder = makeFolder("left");
  mkdirSync(join(folder, "deeper"));
  writeFileSync(join(folder, "deeper", name), text);
  return folder;
}

describe("I15: a planted secret is found", () => {
  it("in what a process prints, but where it was asked to show it", async () => {
    const [printed, shown] = [secret(), secret()];
    plant(printed);
    plant(shown);
    const print = (text: string, showsSecret: boolean) =>
      run("--eval", [`console.log("at", ${JSON.stringify({ text })})`], { showsSecret }).end;
    expect([await print(printed, false), await print(shown, true)]).toEqual([0, 0]);
    const { secrets, findings } = findPlanted(place);
    expect(secrets).toBe(2);
    expect(findings.length).toBeGreaterThan(0);
    expect(new Set(findings.map((finding) => finding.split(",")[0])).size).toBe(1);
    expect(findings.join("\n")).not.toContain(printed);
  });

  it("in a folder that a test has left, whatever it looks like there", () => {
    const text = secret();
    plant(text);
    const folder = folderWith("data", Buffer.from(`key=${text}`).toString("base64"));
    expect(leaveFolder(folder)).toBe(true);
    expect(findPlanted(place).findings.join("\n")).toContain("base64 from offset 1");
  });

  it("in the log of another process, when a file that keeps secrets by design says what to look for", () => {
    const [held, key] = [secret(), master()];
    const folder = folderWith("market.key", `${held}\n`);
    writeFileSync(join(folder, "master.key"), `${key}\n`);
    expect(findPlanted(place, folder)).toMatchObject({ secrets: 2, findings: [] });
    leave("process-1", `opened with ${Buffer.from(key, "base64url").toString("hex")} and ${held}`);
    const kinds = new Set(findPlanted(place, folder).findings.map((finding) => finding.split(" (")[0]));
    expect(kinds).toEqual(new Set(["master key", "mkt_live"]));
  });

  it("in a refusal or a metric, when it was handed out before", async () => {
    const text = secret();
    const server = createServer((request, response) => {
      const body = request.url === "/metrics" ? `refused{key="${text}"} 1` : JSON.stringify({ secret: text });
      response.writeHead(request.url === "/wrong" ? 400 : 200, { "content-type": "application/json" }).end(body);
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await (await fetch(`${url}/keys`)).json();
    expect(findPlanted(place)).toMatchObject({ secrets: 1, findings: [] });
    await (await fetch(`${url}/wrong`)).json();
    await (await fetch(`${url}/metrics`)).text();
    server.close();
    const places = findPlanted(place).findings.map((finding) => finding.split("/").at(-1));
    expect(new Set(places)).toEqual(new Set(["metrics", "refusals"]));
  });
});

it("what is planted can be read by nobody else, and a run without a place notes nothing", () => {
  const { mode } = statSync(join(place, "planted.jsonl"));
  expect(mode & 0o077).toBe(0);
  delete process.env.KEYOVER_CANARY;
  plant(secret());
  expect(leaveFolder(makeFolder("left"))).toBe(false);
  expect(findPlanted(place).secrets).toBe(0);
});
