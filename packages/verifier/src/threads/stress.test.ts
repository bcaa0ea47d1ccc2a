/**
 * Threads that read while another writes as fast as it can: nothing is wrong, nothing is missing, nothing comes back. `KEYOVER_STRESS_MS=60000`
 * makes it longer.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { FlatReplica } from "../flat/flat-replica.ts";
import { realWorld } from "../world.ts";
import { type Kind, keyOf, REVOKED, recordOf, STOP } from "./stress.test-support.ts";
import { TableShare } from "./table-share.ts";

const PROGRAM = new URL("./reader.test-program.ts", import.meta.url);
const WRITE_MS = Number(process.env.KEYOVER_STRESS_MS ?? 2_000);
const READERS = 3;

interface Said {
  looks: number;
  plain: number;
  rare: number;
  absent: number;
  released: number;
  refused: number;
  wrong: string[];
}

/** A table, its writer, and threads that look for these keys. */
class Scene {
  readonly world = realWorld();
  readonly replica = new FlatReplica();
  readonly share = new TableShare(this.world, this.replica);
  readonly shared = new Int32Array(new SharedArrayBuffer(8));
  readonly seed = Math.floor(Math.random() * 2 ** 31);
  #seq = 0;
  #state = this.seed;

  below(count: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) | 0;
    return (this.#state >>> 8) % count;
  }

  put(kind: Kind, i: number, change: { versions?: number; revoked?: boolean } = {}): void {
    this.replica.put(recordOf(kind, i, ++this.#seq, change));
  }

  /** Takes the key out, or puts it in. */
  flick(i: number, versions: number): void {
    const head = this.replica.table.headOf(keyOf("flicker", i));
    if (head < 0) this.put("flicker", i, { versions });
    else this.replica.table.drop(head);
  }

  /** Until the time is over, with a turn for messages between some changes and the next. */
  async race(counts: Partial<Record<Kind, number>>, change: (part: number) => void): Promise<Said[]> {
    const workers = Array.from({ length: READERS }, (_, n) => this.#reader(counts, n));
    const said = workers.map(
      (worker) => new Promise<Said>((resolve, reject) => worker.on("message", resolve).on("error", reject)),
    );
    const exits = workers.map((worker) => new Promise((resolve) => worker.on("exit", resolve)));
    const from = this.world.clock.elapsed();
    for (let part = 0; part < 1; part = (this.world.clock.elapsed() - from) / WRITE_MS) {
      for (let n = 0; n < 200; n++) change(part);
      await turn();
    }
    Atomics.store(this.shared, STOP, 1);
    const all = await Promise.all(said);
    await Promise.all(exits);
    await expect.poll(() => this.share.readers).toBe(0);
    for (const { wrong } of all) expect(wrong, `seed ${this.seed}`).toEqual([]);
    return all;
  }

  #reader(counts: Partial<Record<Kind, number>>, n: number): Worker {
    const ends = this.share.attach(() => undefined);
    if (ends === undefined) throw new Error("there is room");
    const workerData = { ends, shared: this.shared, counts, seed: this.seed + n };
    return new Worker(PROGRAM, { workerData, transferList: [ends.newsPort, ends.talkPort] });
  }
}

test("keys are rewritten, become rare, come, go and are revoked while the table grows", async () => {
  const scene = new Scene();
  const counts = { stable: 3_000, flicker: 2_000, doomed: 100 };
  for (let i = 0; i < counts.stable; i++) scene.put("stable", i);
  for (let i = 0; i < counts.doomed; i++) scene.put("doomed", i);
  let more = counts.doomed;
  const said = await scene.race(counts, (part) => {
    const what = scene.below(10);
    if (what < 5) scene.put("stable", scene.below(counts.stable), { versions: 1 + scene.below(2) });
    else if (what < 9) scene.flick(scene.below(counts.flicker), 1 + scene.below(2));
    else if (more < 20_000) scene.put("doomed", more++);
    const revoked = Atomics.load(scene.shared, REVOKED);
    if (revoked < part * counts.doomed) {
      scene.put("doomed", revoked, { revoked: true });
      Atomics.store(scene.shared, REVOKED, revoked + 1);
    }
  });
  for (const each of said) {
    for (const count of [each.plain, each.rare, each.absent, each.released, each.refused]) {
      expect(count).toBeGreaterThan(0);
    }
  }
});

test("one key that is rewritten all the time is found each time, and whole", async () => {
  const scene = new Scene();
  scene.put("stable", 0);
  await scene.race({ stable: 1 }, () => scene.put("stable", 0));
});

test("where buckets move all the time, none that stays is passed over", async () => {
  const scene = new Scene();
  // As full as such a table gets: runs of buckets are long.
  const [stable, flicker] = [575, 300];
  for (let i = 0; i < flicker; i++) scene.put("flicker", i);
  for (let i = 0; i < stable; i++) scene.put("stable", i);
  const { capacity } = scene.replica.table.digests;
  await scene.race({ stable }, () => scene.flick(scene.below(flicker), 1));
  expect(scene.replica.table.digests.capacity).toBe(capacity);
  expect((stable + flicker) / capacity).toBeGreaterThan(0.75);
});
