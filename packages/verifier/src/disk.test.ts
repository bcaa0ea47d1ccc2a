import { spawn } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyRecord } from "@keyover/core";
import { afterEach, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "./authority.test-double.ts";
import type { ReplicaDisk } from "./disk.ts";
import { createVerifier, fileDisk, type Verifier } from "./verifier.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";

const folders: string[] = [];
const disks: ReplicaDisk[] = [];
afterEach(async () => {
  // Whom nobody closed had its files open.
  for (const disk of disks.splice(0)) await (await disk.lock())();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = join(mkdtempSync(join(tmpdir(), "keyover-disk-")), "data");
  folders.push(folder);
  return folder;
}

/** Real files take real time; the clock stands still meanwhile. */
async function files(): Promise<void> {
  for (let i = 0; i < 12; i++) {
    await new Promise((resolve) => setTimeout(resolve, 8));
    await settle();
  }
}

interface Stage {
  clock: VirtualClock;
  authority: AuthorityDouble;
  dataDir: string;
  text: string;
  /** What the disk no longer gets done. */
  slow: { save: boolean; append: boolean };
  start: (wallMs?: () => number) => Promise<Started>;
}

interface Started {
  verifier: Verifier;
  events: string[];
  /** The fields of the first such event in the log. */
  said(event: string): string;
  code: (text: string) => string | undefined;
  /** As `kill -9` does: nothing is said to anybody, the lock stays. */
  kill(): void;
}

function stage(policy: Partial<AuthorityDouble["policy"]> = {}): Stage {
  const clock = new VirtualClock();
  const authority = new AuthorityDouble(clock);
  authority.policy = { leaseMs: 15_000, onStale: "static", staticMs: 3_600_000, ...policy };
  const text = newText();
  authority.write(keyRecord("key_1", [version(text)]));
  const dataDir = newFolder();
  const slow = { save: false, append: false };
  return {
    clock,
    slow,
    authority,
    dataDir,
    text,
    async start(wallMs = () => 0) {
      const { world, events } = worldOf(authority, clock.skewed(wallMs));
      let dead = false;
      const fetch = world.fetch;
      world.fetch = (input, init) => (dead ? new Promise(() => {}) : fetch(input, init));
      const real = fileDisk(dataDir, world.log);
      disks.push(real);
      const disk = killable(
        real,
        () => dead,
        () => slow,
      );
      const verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world, disk });
      await files();
      return {
        verifier,
        get events() {
          return events.map((each) => each.event);
        },
        said: (event) => JSON.stringify(events.find((each) => each.event === event)?.fields),
        code: (shown) => verifier.verifyNow(shown, {})?.code,
        kill() {
          dead = true;
          rmSync(join(dataDir, "lock"), { force: true });
        },
      };
    },
  };
}

/** The same process plays both lives: the second may not be kept out by the first one's lock. */
function killable(disk: ReplicaDisk, dead: () => boolean, slow: () => { save: boolean; append: boolean }): ReplicaDisk {
  const never = new Promise<never>(() => {});
  return {
    ...disk,
    async lock() {
      await (await disk.lock())();
      return async () => undefined;
    },
    save: (...args) => (dead() || slow().save ? never : disk.save(...args)),
    append: (...args) => (dead() || slow().append ? never : disk.append(...args)),
  };
}

describe("a restart without the authority", () => {
  test("goes on from the disk, within the lease, and says when it is stale", async () => {
    const { clock, authority, text, start } = stage();
    const first = await start();
    await first.verifier.ready;
    authority.write(keyRecord("key_2", [version(newText())]));
    await files();
    await clock.pass(4_000);
    await files();
    first.kill();
    authority.down = true;
    const second = await start();
    await second.verifier.ready;
    expect(second.code(text)).toBe("ok");
    expect(second.events).toContain("verifier.from_disk");
    expect(second.verifier.status()[0]).toMatchObject({ seq: 2, keys: 2, stale: false });
    await clock.pass(16_000);
    expect(second.verifier.verifyNow(text, {})).toMatchObject({ code: "ok", stale: true });
    await clock.pass(3_600_000);
    expect(second.code(text)).toBe("stale_replica");
  });

  test("registers as the successor of the dead boot, under the same name, once the authority is back", async () => {
    const { clock, authority, start, text } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    const [dead] = authority.boots.keys();
    first.kill();
    authority.down = true;
    const second = await start();
    authority.down = false;
    await clock.pass(8_000);
    await files();
    expect(authority.live.replaces).toBe(dead);
    expect(new Set([...authority.boots.values()].map((boot) => boot.instance)).size).toBe(1);
    expect(second.verifier.verifyNow(text, {})).toMatchObject({ code: "ok" });
    expect(second.verifier.status()[0]?.stale).toBe(false);
  });

  test("resurrects nothing that was acknowledged as revoked, though no snapshot was written since", async () => {
    const { clock, authority, text, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await files();
    expect(authority.live.applied).toBe(2);
    first.kill();
    authority.down = true;
    const second = await start();
    expect(second.verifier.status()[0]?.seq).toBe(2);
    expect(second.code(text)).toBe("revoked");
  });

  test("nor what was acknowledged from a snapshot that the disk does not hold yet", async () => {
    const { clock, authority, text, slow, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    first.kill();
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    slow.save = true;
    const second = await start();
    expect([second.code(text), authority.live.applied]).toEqual(["revoked", 2]);
    second.kill();
    authority.down = true;
    const third = await start();
    expect(third.code(text)).toBe("stale_replica");
  });

  test("because nothing is acknowledged before it is in the journal", async () => {
    const { authority, slow, text, start } = stage();
    const { code } = await start();
    slow.append = true;
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await files();
    expect([code(text), authority.live.applied]).toEqual(["revoked", 1]);
  });

  test("under `closed` it answers nothing past the lease, and nothing if the wall clock went back", async () => {
    for (const [wallMs, waitMs, expected] of [
      [0, 5_000, "ok"],
      [0, 16_000, "stale_replica"],
      [-60_000, 5_000, "stale_replica"],
      [60_000, 1_000, "stale_replica"],
    ] as const) {
      const { clock, authority, text, start } = stage({ onStale: "closed", staticMs: 0 });
      const first = await start();
      await clock.pass(3_000);
      await files();
      first.kill();
      authority.down = true;
      await clock.pass(waitMs);
      const second = await start(() => wallMs);
      expect([wallMs, waitMs, second.code(text)]).toEqual([wallMs, waitMs, expected]);
    }
  });

  test("while it reconciles a restored database: goes on, and tells what the disk remembers", async () => {
    const { clock, authority, text, start } = stage();
    const first = await start();
    const restore = authority.backup();
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await files();
    await clock.pass(3_000);
    await files();
    first.kill();
    restore();
    authority.reconciling = { after: 1 };
    const second = await start();
    await second.verifier.ready;
    expect(second.code(text)).toBe("revoked");
    expect(authority.remembered).toMatchObject([{ epoch: "epoch-1", seq: 2, records: [{ key: "key_1", seq: 2 }] }]);
  });

  test("holds the epoch that it took a snapshot in, and no later one", async () => {
    const { clock, authority, text, slow, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    first.kill();
    authority.reconcile("epoch-2", [keyRecord("key_1", [version(text)], { status: "revoked" })]);
    slow.save = true;
    const second = await start();
    expect(second.code(text)).toBe("revoked");
    second.kill();
    slow.save = false;
    const third = await start();
    expect(authority.live.holds?.epoch).toBe("epoch-1");
    third.kill();
    await start();
    expect(authority.live.holds).toEqual({ epoch: "epoch-2", seq: authority.seq, followed: authority.seq });
  });

  test("from a file of before there were epochs holds the empty one", async () => {
    const { clock, authority, dataDir, text, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    first.kill();
    const disk = fileDisk(dataDir, () => {});
    disks.push(disk);
    const state = (await disk.load("market"))!;
    const { epoch: _, ...head } = state.head;
    await disk.save("market", head as typeof state.head, state.records);
    const second = await start();
    expect(authority.live.holds).toEqual({ epoch: "", seq: 1, followed: 1 });
    expect(second.code(text)).toBe("ok");
  });

  test("from a history that the authority's database no longer has, it does not believe that database", async () => {
    const { clock, authority, text, start } = stage();
    const first = await start();
    const restore = authority.backup();
    const fresh = newText();
    authority.write(keyRecord("key_1", [version(text)], { status: "suspended" }));
    authority.write(keyRecord("key_2", [version(fresh)]));
    await files();
    await clock.pass(3_000);
    await files();
    first.kill();
    restore();
    while (authority.seq < 6) authority.write(keyRecord(`key_n${authority.seq}`, [version(newText())]));
    const second = await start();
    expect([second.code(text), second.code(fresh)]).toEqual(["suspended", "ok"]);
    expect(second.events).toContain("follower.authority_behind");
    await clock.pass(16_000);
    expect(second.verifier.status()[0]?.stale).toBe(true);
  });

  test("from a time that the authority's database lacks, is not made fresh by it", async () => {
    const { clock, authority, text, start } = stage();
    const first = await start();
    const restore = authority.backup();
    authority.write(keyRecord("key_1", [version(text)], { status: "suspended" }));
    await files();
    await clock.pass(3_000);
    await files();
    first.kill();
    restore();
    await clock.pass(20_000);
    const second = await start();
    expect(second.verifier.verifyNow(text, {})).toMatchObject({ code: "suspended", stale: true });
    expect(second.events).toContain("follower.authority_behind");
  });

  test("a write that fails takes away the leave to go on", async () => {
    const { clock, authority, dataDir, text, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    const disk = fileDisk(dataDir, () => {});
    const state = await disk.load("market");
    expect(state?.lease).not.toBeNull();
    await disk.forget("market");
    first.kill();
    authority.down = true;
    const second = await start();
    expect(second.code(text)).toBe("stale_replica");
  });
});

describe("files that are not as they were written", () => {
  test("a file of another api: moved aside, said, and started without", async () => {
    const { clock, authority, dataDir, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    first.kill();
    authority.down = true;
    renameSync(join(dataDir, "api-market.replica"), join(dataDir, "api-other.replica"));
    const said: unknown[] = [];
    const disk = fileDisk(dataDir, (_level, event, fields) => said.push([event, fields?.reason]));
    expect(await disk.load("other")).toBeUndefined();
    expect(said).toEqual([["disk.unreadable", "it is of the api market"]]);
    expect(await fileDisk(dataDir, () => {}).load("other")).toBeUndefined();
  });

  const damages: [name: string, damage: (bytes: Buffer) => Buffer | string, reason: RegExp][] = [
    ["a flipped bit", (bytes) => Buffer.from(bytes.map((byte, i) => (i === 200 ? byte ^ 1 : byte))), /checksum/],
    ["a cut file", (bytes) => bytes.subarray(0, bytes.length - 60), /cut off/],
    ["an empty file", () => "", /not a replica/],
    ["a foreign file", () => "hello world\n".repeat(30), /not a replica/],
    [
      "a newer format",
      (bytes) => bytes.toString().replace("keyover-replica 3", "keyover-replica 4"),
      /keyover-replica 4.* is not/,
    ],
  ];

  test.each(damages)("%s: moved aside, said, and started without", async (_, damage, reason) => {
    const { clock, authority, dataDir, text, start } = stage();
    const first = await start();
    await clock.pass(3_000);
    await files();
    first.kill();
    const path = join(dataDir, "api-market.replica");
    writeFileSync(path, damage(readFileSync(path)));
    authority.down = true;
    const second = await start();
    expect(second.code(text)).toBe("stale_replica");
    expect(second.said("disk.unreadable")).toMatch(reason);
    expect(readdirSync(join(dataDir, "api-market.unreadable-1"))).toContain("replica");
    authority.down = false;
    await clock.pass(8_000);
    await files();
    expect(second.code(text)).toBe("ok");
  });

  test("a journal with a broken or missing line in its midst allows nothing without the authority; a torn last line is no harm", async () => {
    for (const [damage, expected] of [
      [(text: string) => text.replace('"entry"', '"eNtry"'), "stale_replica"],
      [
        (text: string) =>
          text
            .split("\n")
            .filter((line) => !line.includes('"seq":2'))
            .join("\n"),
        "stale_replica",
      ],
      [(text: string) => `${text}0badc0de {"entry":{"se`, "ok"],
    ] as const) {
      const { clock, authority, dataDir, text, start } = stage();
      const first = await start();
      authority.write(keyRecord("key_2", [version(newText())]));
      authority.write(keyRecord("key_3", [version(newText())]));
      await files();
      await clock.pass(3_000);
      await files();
      first.kill();
      const path = join(dataDir, "api-market.journal");
      expect(readFileSync(path, "utf8")).toContain('"entry"');
      writeFileSync(path, damage(readFileSync(path, "utf8")));
      authority.down = true;
      const second = await start();
      expect(second.code(text)).toBe(expected);
    }
  });
});

describe("the files themselves", () => {
  const record = (key: string, seq: number): KeyRecord => ({ seq, ...keyRecord(key, [version(newText())]) });
  const head = {
    api: { id: "api_1", name: "market", prefix: "mkt" },
    environments: ["live"],
    boot: "boo_1",
    instance: "a",
    epoch: "epoch-1",
    seq: 2,
  };

  test("what is appended while a snapshot is written is there afterwards, after a crash at any step", async () => {
    const dataDir = newFolder();
    const disk = fileDisk(dataDir, () => {});
    const unlock = await disk.lock();
    await disk.save("market", head, [record("key_1", 1), record("key_2", 2)]);
    await disk.append("market", [{ entry: { seq: 3, record: record("key_3", 3) } }]);
    const saving = disk.save("market", { ...head, seq: 3 }, [
      record("key_1", 1),
      record("key_2", 2),
      record("key_3", 3),
    ]);
    await disk.append("market", [{ entry: { seq: 4, record: record("key_4", 4) } }]);
    await saving;
    await disk.append("market", [{ entry: { seq: 5 } }, { boot: "boo_2" }]);
    await unlock();
    const journal = join(dataDir, "api-market.journal");
    const lines = readFileSync(journal, "utf8").split("\n");
    expect(lines).toHaveLength(4); // entry 3 is in the snapshot, and here no more
    // Between the two renames both journals are there.
    writeFileSync(`${journal}-next`, lines.slice(1).join("\n"));
    writeFileSync(journal, `${lines[0]}\n`);
    for (let round = 0; round < 2; round++) {
      const state = await fileDisk(dataDir, () => {}).load("market");
      expect(state?.records.map((each) => each.key)).toEqual(["key_1", "key_2", "key_3"]);
      expect(state?.entries.map((each) => each.seq)).toEqual([4, 5]);
      expect(state?.head.boot).toBe("boo_2");
    }
  });

  test("are for their owner alone, and hold no secret", async () => {
    const { clock, dataDir, text, start } = stage();
    const { verifier } = await start();
    verifier.verifyNow(text, {});
    await clock.pass(3_000);
    await files();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    const names = readdirSync(dataDir);
    expect(names).toContain("api-market.replica");
    for (const name of names) {
      expect(statSync(join(dataDir, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(dataDir, name), "utf8")).not.toContain(text.slice(12));
    }
  });

  test("a folder that cannot be written is said", async () => {
    const dataDir = newFolder();
    writeFileSync(dataDir, "a file");
    const { world } = worldOf(new AuthorityDouble(new VirtualClock()));
    const verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world, dataDir });
    await expect(verifier.ready).rejects.toThrow(/EEXIST|ENOTDIR/);
    chmodSync(dataDir, 0o600);
  });
});

describe("one process per folder", () => {
  const hold = (dataDir: string) => {
    const url = new URL("disk.ts", import.meta.url).href;
    const program = `const { fileDisk } = await import(${JSON.stringify(url)});
      await fileDisk(${JSON.stringify(dataDir)}, () => {}).lock(); console.log("locked"); setInterval(() => {}, 1000);`;
    const flags = ["--conditions=keyover-source", "--input-type=module", "-e", program];
    const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
    return { child, locked: new Promise((resolve) => child.stdout.once("data", resolve)) };
  };

  test("a second one is told who has it; the lock of a killed one is taken over", async () => {
    const dataDir = newFolder();
    const { child, locked } = hold(dataDir);
    await locked;
    const disk = fileDisk(dataDir, () => {});
    await expect(disk.lock()).rejects.toThrow(
      new RegExp(`${dataDir} is in use by process ${child.pid}; give each process a folder`),
    );
    const dead = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await dead;
    const unlock = await disk.lock();
    await expect(fileDisk(dataDir, () => {}).lock()).rejects.toThrow(`is in use by process ${process.pid}`);
    await unlock();
    await (await disk.lock())();
  });

  test("the mark of an earlier process with our number is taken over", async () => {
    const dataDir = newFolder();
    const disk = fileDisk(dataDir, () => {});
    await (await disk.lock())();
    writeFileSync(join(dataDir, "lock"), JSON.stringify({ pid: process.pid, birth: "1" }));
    await (await disk.lock())();
  });
});
