/** For tests of idleness: an api whose keys are idle after 30 days, and days that go by one after the other. */
import { expect } from "vitest";
import { type Answer, DAY, MINUTE, TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

/** 30 days unused, announced, 20 days later suspended, 40 days later revoked. */
export const IDLE = {
  unusedMs: 30 * DAY,
  announceMs: [7 * DAY, DAY],
  suspendAfterMs: 20 * DAY,
  revokeAfterMs: 40 * DAY,
};
const STALENESS = { leaseMs: 10 * MINUTE, onStale: "closed" };

/** What happens to a key that nobody uses, and on which day. */
export const LIFE = ["idle 30", "idle 43", "idle 49", "suspended 50", "revoked 90"];

export class IdleRig {
  readonly keyover: TestAuthority;
  readonly api: Answer["body"];
  readonly consumer: Answer["body"];

  private constructor(keyover: TestAuthority, api: Answer["body"], consumer: Answer["body"]) {
    this.keyover = keyover;
    this.api = api;
    this.consumer = consumer;
  }

  static async start(staleness: object = STALENESS): Promise<IdleRig> {
    const keyover = await TestAuthority.start({ logLevel: "warn" });
    return new IdleRig(keyover, await keyover.api({ policy: {}, staleness }), await keyover.consumer());
  }

  async close(): Promise<void> {
    const failed = this.keyover.lines.filter((line) => /key_failed|upkeep.failed|try_failed/.test(line));
    await this.keyover.close();
    expect(failed).toEqual([]);
  }

  verifier(): Promise<ScriptedVerifier> {
    return this.keyover.verifier(this.api);
  }

  /** And lets the keys that it reaches be dated anew. */
  async apply(idle: object = IDLE, schedule: object = { maxAgeMs: null }): Promise<void> {
    await this.keyover.ok("PUT", "/v1/policies/idle", { spec: { schedule, idle } });
    await this.keyover.pass(1_100);
  }

  async turnOn(idle: object = IDLE, schedule?: object): Promise<void> {
    await this.apply(idle, schedule);
    const target = { kind: "api", api: this.api.id };
    await this.keyover.ok("POST", "/v1/policies/idle/attachments", { target });
  }

  newKey(change: Record<string, unknown> = {}): Promise<Answer["body"]> {
    return this.keyover.key(this, change);
  }

  look(id: string): Promise<Answer["body"]> {
    return this.keyover.ok("GET", `/v1/keys/${id}`);
  }

  async verdict(secret: string): Promise<string> {
    const ask = { api: this.api.id, key: secret, scope: "market:read" };
    return (await this.keyover.ok("POST", "/v1/verify", ask)).code;
  }

  /** What happened to the key for want of use, and on which day after `from`. */
  async story(id: string, from: number): Promise<string[]> {
    return (await this.keyover.ok("GET", `/v1/audit?subject=${id}&limit=500`)).items
      .filter(({ action }: Answer["body"]) =>
        /^key\.(idle|suspended|revoked|restored|tried|no-longer|revocation)/.test(action),
      )
      .map(({ action, at }: Answer["body"]) => `${action.slice(4)} ${Math.floor((at - from) / DAY)}`);
  }

  async told(id: string) {
    const rows = await this.keyover.store.list("notice_event", {}, { limit: 500 });
    return rows.map(({ value }) => value).filter(({ keyId }) => keyId === id);
  }

  /** Each day the verifiers report and the authority looks. */
  async days(count: number, daily: () => void = () => {}): Promise<void> {
    for (let i = 0; i < count; i++) {
      daily();
      await this.keyover.pass(DAY - 1_100);
      await this.keyover.pass(1_100);
    }
  }
}
