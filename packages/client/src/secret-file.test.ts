import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { seeded, TestClock } from "./client.test-world.ts";
import { realDisk } from "./disk.ts";
import { Secret } from "./secret.ts";
import { fileSource } from "./secret-file.ts";
import { realHost } from "./world.ts";

const of = (text: string) => Secret.parse(text) as Secret;
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), "keyover-file-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
};
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

function open(path: string) {
  const clock = new TestClock();
  return fileSource(path, { disk: realDisk, host: realHost(), clock, random: seeded(5), log: () => {} });
}

describe("a secret file on a real disk", () => {
  test("is replaced as a whole, at mode 600, with its sidecar beside it and nothing else left", async () => {
    const dir = folder();
    const path = join(dir, "key");
    writeFileSync(path, "old\r\n");
    chmodSync(path, 0o644);
    const source = open(path);
    expect((await source.open()).reveal()).toBe("old");
    const lock = await source.lock();
    const sealed = (version: number, text: string) => ({ version, secret: of(text) });
    const held = { key: "key_1", rotation: "rot_1", current: sealed(1, "old"), previous: undefined };
    await source.writeSidecar({ ...held, pending: sealed(2, "new") });
    await source.write(of("new"));
    expect(await source.changed()).toBeUndefined(); // its own writing is no news
    await lock?.release();
    expect(readFileSync(path, "utf8")).toBe("new\n");
    expect([modeOf(path), modeOf(`${path}.keyover`)]).toEqual(["600", "600"]);
    expect(readdirSync(dir).sort()).toEqual(["key", "key.keyover"]);
    expect((await source.sidecar())?.pending?.secret.reveal()).toBe("new");
  });

  test("behind a symbolic link is replaced where it is, and the link stays", async () => {
    const [real, other] = [folder(), folder()];
    writeFileSync(join(real, "key"), "old");
    symlinkSync(join(real, "key"), join(other, "link"));
    const source = open(join(other, "link"));
    await source.open();
    const lock = await source.lock();
    await source.write(of("new"));
    await lock?.release();
    expect(lstatSync(join(other, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(real, "key"), "utf8")).toBe("new\n");
    expect(readdirSync(other)).toEqual(["link"]);
  });

  test("is seen to change by a glance, once", async () => {
    const path = join(folder(), "key");
    writeFileSync(path, "one");
    const source = open(path);
    await source.open();
    expect(await source.glance?.()).toBeUndefined();
    writeFileSync(path, "two");
    expect((await source.glance?.())?.reveal()).toBe("two");
    expect(await source.glance?.()).toBeUndefined();
  });

  test("is not written without the lock, nor after losing it", async () => {
    const path = join(folder(), "key");
    writeFileSync(path, "old");
    const source = open(path);
    await source.open();
    await expect(source.write(of("new"))).rejects.toMatchObject({ code: "lock_lost" });
    const lock = await source.lock();
    const [owner = ""] = readdirSync(`${path}.lock`);
    await realDisk.remove(join(`${path}.lock`, owner)); // somebody took it over
    await expect(source.write(of("new"))).rejects.toMatchObject({ code: "lock_lost" });
    await lock?.release();
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(join(path, ".."))).toEqual(["key"]);
  });

  test("temporary files that a crash left are removed by the next owner, other files are not", async () => {
    const dir = folder();
    for (const name of [
      "key",
      "key.0123456789abcdef.tmp",
      "key.keyover.0123456789abcdef.tmp",
      "key.tmp",
      "other.0123456789abcdef.tmp",
    ]) {
      writeFileSync(join(dir, name), "text");
    }
    const source = open(join(dir, "key"));
    await source.open();
    await (await source.lock())?.release();
    expect(readdirSync(dir).sort()).toEqual(["key", "key.tmp", "other.0123456789abcdef.tmp"]);
  });

  test("that is huge is refused, and not read whole", async () => {
    const path = join(folder(), "key");
    writeFileSync(path, "x".repeat(100_000));
    await expect(open(path).open()).rejects.toThrow("65536 bytes");
  });
});
