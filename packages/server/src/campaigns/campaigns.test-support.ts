/** Many keys, and what is asked of a campaign over them, for its tests. */
import { sha256Text } from "@keyover/core";
import { expect } from "vitest";
import { type Answer, SECOND, type TestAuthority } from "../authority.test-support.ts";

type Body = Answer["body"];

export class CampaignScene {
  readonly keyover: TestAuthority;
  api!: Body;
  consumers: Body[] = [];
  keys: Body[] = [];

  private constructor(keyover: TestAuthority) {
    this.keyover = keyover;
  }

  /** `count` keys of one api, spread over consumers that carry `region`: eu, us, eu, us. Every fifth is of the environment test. */
  static async of(keyover: TestAuthority, count: number, consumers = 4): Promise<CampaignScene> {
    const scene = new CampaignScene(keyover);
    scene.api = await keyover.api();
    for (let i = 0; i < consumers; i++)
      scene.consumers.push(await keyover.consumer({ labels: { region: i % 2 === 0 ? "eu" : "us" } }));
    await scene.more(count);
    return scene;
  }

  async more(count: number, change: Record<string, unknown> = {}): Promise<Body[]> {
    const made: Body[] = [];
    for (let i = 0; i < count; i++) {
      const n = this.keys.length;
      const consumer = this.consumers[n % this.consumers.length];
      const environment = n % 5 === 4 ? "test" : "live";
      const key = await this.keyover.key({ api: this.api, consumer }, { name: `bot ${n}`, environment, ...change });
      this.keys.push(key);
      made.push(key);
    }
    return made;
  }

  async start(change: Record<string, unknown> = {}): Promise<Body> {
    return this.keyover.ok("POST", "/v1/campaigns", this.wanted(change));
  }

  wanted(change: Record<string, unknown> = {}): Record<string, unknown> {
    return { name: "spring", reason: "routine", select: { apis: [this.api.id] }, ...change };
  }

  strike(
    mode: "kill" | "contain",
    select: Record<string, unknown>,
    change: Record<string, unknown> = {},
  ): Promise<Body> {
    return this.keyover.ok("POST", "/v1/emergencies", { mode, select, reason: "leaked", ...change });
  }

  show(campaign: { id: string }): Promise<Body> {
    return this.keyover.ok("GET", `/v1/campaigns/${campaign.id}`);
  }

  /** Time passes and verifiers report, until `done` says so. */
  async until(campaign: { id: string }, done: (now: Body) => boolean, ms = SECOND): Promise<Body> {
    for (let i = 0; i < 60; i++) {
      const now = await this.show(campaign);
      if (done(now)) return now;
      await this.keyover.pass(ms);
    }
    return expect.fail(JSON.stringify(await this.show(campaign), null, 1));
  }

  ended(campaign: { id: string }): Promise<Body> {
    return this.until(campaign, ({ state }) => state === "ended");
  }

  async items(campaign: { id: string }, query = ""): Promise<Body[]> {
    return (await this.keyover.ok("GET", `/v1/campaigns/${campaign.id}/items?limit=500${query}`)).items;
  }

  async item(campaign: { id: string }, key: { id: string }): Promise<Body> {
    return (await this.items(campaign)).find((item) => item.key === key.id) ?? expect.fail(`no item of ${key.id}`);
  }

  async rotation(key: { id: string }): Promise<Body> {
    const { rotation } = await this.keyover.ok("GET", `/v1/keys/${key.id}`);
    return rotation === null ? undefined : this.keyover.ok("GET", `/v1/rotations/${rotation}`);
  }

  /** The consumer takes its successor and uses it. */
  async changeOver(key: { id: string; consumer: string }): Promise<void> {
    const token = await this.keyover.token("consumer", { consumer: key.consumer });
    const rotation = await this.rotation(key);
    const { version } = await this.keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token });
    for (const verifier of this.keyover.verifiers) verifier.see(key.id, version);
  }

  /** Whether every verifier accepts the secret that the key was issued with. */
  accepts(key: { id: string; secret: string }): boolean[] {
    return this.keyover.verifiers.map(({ records }) => {
      const version = records.get(key.id)?.versions.find(({ sha256 }) => sha256 === sha256Text(key.secret));
      return version !== undefined && ["active", "retiring", "pending"].includes(version.state);
    });
  }
}
