/** Channels and the office on a real store, with real sockets, and a clock that moves when it is told to. */
import { randomBytes } from "node:crypto";
import type { Clock, World } from "@keyover/core";
import { expect } from "vitest";
import { createCustody } from "../custody/custody.ts";
import type { Secret } from "../custody/secret.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import { accept, refuse } from "../outcome.ts";
import type { Channel, Notice, NoticeDraft, NoticeState } from "../store/notice-entities.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import type { NewChannel, Target } from "./channels.ts";
import { AT } from "./notices.test-support.ts";
import { createNotices, type Notices, type NoticesConfig } from "./notices.ts";

class HandClock implements Clock {
  at: number = AT;
  readonly #timers = new Set<{ at: number; run: () => void }>();
  now = (): number => this.at;
  elapsed = (): number => this.at - AT;
  after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { at: this.at + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };
  /** Timers die with their process. */
  forget(): void {
    this.#timers.clear();
  }
  advance(ms: number): void {
    this.at += ms;
    for (const timer of new Set(this.#timers)) {
      if (timer.at > this.at) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

export interface RigOptions extends NoticesConfig {
  store?: Store | undefined;
}

export class NoticeRig {
  readonly clock = new HandClock();
  readonly lines: { event: string; fields: Record<string, unknown> }[] = [];
  readonly counts: Record<string, number> = {};
  store: Store;
  leads = true;
  /** Channels that policies name, by key. */
  readonly named = new Map<string, string[]>();
  readonly #config: NoticesConfig;
  readonly #masterKey = randomBytes(32);
  notices!: Notices;

  constructor({ store, ...config }: RigOptions = {}) {
    this.store = store ?? openMemoryStore({ now: () => this.clock.at });
    this.#config = { allowedPrivate: ["127.0.0.0/8"], ...config };
    this.begin();
  }

  /** A new process on the same store. `store`: as it sees it. */
  begin(store: Store = this.store): void {
    this.clock.forget();
    const random = (length: number) => randomBytes(length);
    const log: World["log"] = (_level, event, fields = {}) => void this.lines.push({ event, fields });
    const world: World = { clock: this.clock, random, log, fetch: globalThis.fetch };
    const desk = {
      async commit(batch: Parameters<Store["commit"]>[0]) {
        const outcome = await store.commit(batch);
        return outcome.ok ? accept(undefined) : refuse(outcome.conflict === "unique" ? "name_taken" : "conflict");
      },
    } as unknown as KeyDesk;
    const count = (what: string, kind: string) => {
      const name = `${what} ${kind}`;
      this.counts[name] = (this.counts[name] ?? 0) + 1;
    };
    const leads = () => (this.leads ? { fence: undefined } : undefined);
    const custody = createCustody(this.#masterKey, random);
    const named = async () => this.named;
    this.notices = createNotices({ world, store, desk, custody, leads, named, count }, this.#config);
  }

  async channel(
    target: Target,
    change: Partial<NewChannel> = {},
  ): Promise<{ channel: Channel; secret: Secret | undefined }> {
    const wanted: NewChannel = {
      name: `channel ${randomBytes(4).toString("hex")}`,
      consumerId: null,
      target,
      events: ["*"],
      severity: "info",
      quiet: null,
      digestMs: 0,
      escalate: null,
      ...change,
    };
    const made = await this.notices.channels.create(wanted, { actor: "tok_1" });
    if (!made.ok) throw new Error(`${made.code}: ${made.detail}`);
    return made.value;
  }

  async raise(...notices: NoticeDraft[]): Promise<void> {
    const audit = [{ at: this.clock.at, actor: "tok_1", action: "test.changed", subjects: ["key_1"], details: {} }];
    const outcome = await this.store.commit({ writes: [], audit, feed: [], notices });
    expect(outcome.ok).toBe(true);
  }

  /** All that is due now goes out, and its outcome is noted. */
  async round(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await this.notices.office.run();
      await this.notices.office.idle();
    }
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.round();
  }

  async all(state?: NoticeState): Promise<Notice[]> {
    const rows = await this.store.list("notice", { equals: { state } }, { limit: 10_000 });
    return rows.map(({ value }) => value);
  }

  async only(): Promise<Notice> {
    const all = await this.all();
    expect(all).toHaveLength(1);
    return all[0] as Notice;
  }

  async close(): Promise<void> {
    await this.notices.office.close();
    await this.store.close();
  }
}
