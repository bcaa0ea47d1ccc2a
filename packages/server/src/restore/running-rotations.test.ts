/**
 * A rotation is told as a story. The backup is from one of its moments, what verifiers remember from that or any later one: whichever they
 * are, and whichever side is chosen, the key goes on consistently, nobody is refused whom verifiers accepted, nothing comes back that
 * was killed, and the rotation ends.
 */
import type { KeyRecord } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, SECOND } from "../authority.test-support.ts";
import { sayTheSame } from "./claims.ts";
import { Lineage, type Memory, type RememberingVerifier } from "./restore.test-support.ts";

interface Story {
  lineage: Lineage;
  web: RememberingVerifier;
  api: Answer["body"];
  key: Answer["body"];
  holder: string;
  rotation: string;
  /** By number, as the consumer knows them. */
  secrets: Map<number, string>;
  /** The version that the consumer is on. */
  on: number;
}

type Act = (story: Story) => Promise<unknown>;

const post = ({ lineage }: Story, path: string, body: object = {}, token?: string) =>
  lineage.keyover.ok("POST", path, body, token === undefined ? {} : { token });
const because = { reason: "routine" };

const start: Act = async (story) => {
  story.rotation = (await post(story, `/v1/keys/${story.key.id}/rotations`, because)).id;
  await story.web.follow();
};
const pass =
  (ms: number): Act =>
  async ({ lineage }) =>
    lineage.pass(ms);
const claim: Act = async (story) => {
  const { version, secret } = await post(story, `/v1/rotations/${story.rotation}/claim`, {}, story.holder);
  story.secrets.set(version, secret);
};
const use: Act = async (story) => {
  story.on = Math.max(...story.secrets.keys());
  story.web.see(story.key.id, story.on);
  await story.lineage.pass(SECOND);
};
const command =
  (name: string): Act =>
  async (story) => {
    await post(story, `/v1/rotations/${story.rotation}/${name}`, name === "cancel" ? {} : because);
    await story.lineage.pass(SECOND);
  };
const kill =
  (version: number): Act =>
  async (story) => {
    const struck = await post(story, `/v1/keys/${story.key.id}/emergency`, { ...because, mode: "kill", version });
    story.rotation = struck.id;
    await story.lineage.pass(SECOND);
  };

const nothing: Act = async () => {};
const toOverlap: [string, Act][] = [
  ["idle", nothing],
  ["propagating", start],
  ["offered", pass(SECOND)],
  ["claimed", claim],
  ["overlapping", use],
];

const stories: Record<string, [moment: string, act: Act][]> = {
  "to its end, and the next": [
    ...toOverlap,
    ["retired", command("retire")],
    ["completed", pass(HOUR)],
    ["propagating again", start],
    ["offered again", pass(SECOND)],
  ],
  "rolled back": [...toOverlap, ["rolled back", command("rollback")], ["ended", pass(3 * HOUR)]],
  "rolled back after retirement": [...toOverlap, ["retired", command("retire")], ["rolled back", command("rollback")]],
  cancelled: [...toOverlap.slice(0, 3), ["cancelled", command("cancel")]],
  "killed when idle": [
    ["idle", nothing],
    ["killed", kill(1)],
    ["claimed", claim],
    ["used", use],
  ],
  "killed when propagating": [...toOverlap.slice(0, 2), ["killed", kill(1)], ["offered", pass(SECOND)]],
  "killed when offered": [...toOverlap.slice(0, 3), ["killed", kill(1)], ["claimed", claim], ["used", use]],
  "killed when overlapping": [...toOverlap, ["killed", kill(1)], ["later", pass(HOUR)]],
  "its successor killed": [...toOverlap, ["killed", kill(2)], ["later", pass(SECOND)]],
};

interface Moment {
  name: string;
  image: Buffer;
  memory: Memory;
  at: number;
  on: number;
}

async function tell(acts: [string, Act][]): Promise<{ story: Story; moments: Moment[] }> {
  const lineage = await Lineage.start();
  const api = await lineage.api();
  const consumer = await lineage.consumer();
  const key = await lineage.keyover.key({ api, consumer });
  const holder = await lineage.keyover.token("consumer", { consumer: consumer.id });
  const web = await lineage.verifier(api, "web");
  const story: Story = { lineage, web, api, key, holder, rotation: "", secrets: new Map([[1, key.secret]]), on: 1 };
  await lineage.pass(SECOND);
  const moments: Moment[] = [];
  for (const [name, act] of acts) {
    await act(story);
    moments.push({ name, image: lineage.backup(), memory: web.memory(), at: lineage.clock.at, on: story.on });
  }
  return { story, moments };
}

const acceptedIn = ({ versions }: KeyRecord) =>
  versions.filter(({ state }) => ["pending", "active", "retiring"].includes(state)).map(({ number }) => number);

/** A backup from the one moment, verifiers that remember the other. */
async function restoreAt(
  story: Story,
  backup: Moment,
  remembered: Moment,
  side: "verifiers" | "backup",
): Promise<void> {
  const { lineage, web, api, key } = story;
  lineage.clock.at = remembered.at;
  web.recall(remembered.memory);
  await lineage.restore(backup.image);
  // What the consumer holds was accepted until now.
  const before = remembered.memory.records.get(key.id) as KeyRecord;
  const { after: headOfBackup } = await lineage.look(api);
  await lineage.reconcile(api, side);
  const after = web.records.get(key.id) as KeyRecord;
  const held = before.versions.find(({ number }) => number === remembered.on);
  for (const { sha256 } of before.versions.filter(({ compromised }) => compromised)) {
    const here = after.versions.find((version) => version.sha256 === sha256);
    if (here !== undefined) expect(acceptedIn(after), "a killed version came back").not.toContain(here.number);
  }
  if (side === "verifiers") {
    // What the backup has on offer, and nobody knows more of, is on its way again.
    const named = before.seq > headOfBackup || before.rotation?.phase !== "offered";
    const shown = (record: KeyRecord) => ({
      ...record,
      rotation: named && before.rotation ? record.rotation : undefined,
    });
    expect(sayTheSame(shown(after), shown(before)), JSON.stringify({ after, before })).toBe(true);
    if (held !== undefined && !held.compromised) expect(acceptedIn(after)).toContain(remembered.on);
  }
  expect(acceptedIn(after).length).toBeGreaterThan(0);
  expect(acceptedIn(after).length).toBeLessThanOrEqual(2);
  await untilItEnds(story);
}

/** What an operator and the consumer would do: claim and use what can be had, roll back what can't. */
async function untilItEnds(story: Story): Promise<void> {
  const { lineage, web, key, holder } = story;
  const { keyover } = lineage;
  for (let round = 0; round < 4; round++) {
    const { rotation: id } = await keyover.ok("GET", `/v1/keys/${key.id}`);
    if (id === null) break;
    await lineage.pass(15 * SECOND);
    const rotation = await keyover.ok("GET", `/v1/rotations/${id}`);
    if (rotation.phase === "offered") {
      const claimed = await keyover.call("POST", `/v1/rotations/${id}/claim`, {}, { token: holder });
      if (claimed.status === 200) {
        web.see(key.id, claimed.body.version);
        await lineage.pass(SECOND);
      } else {
        expect(claimed.body.code).toBe("claim_ended");
        // Its secret is lost, unless the consumer took it before the restore; then it is in use.
        if (rotation.fromCompromised)
          await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: rotation.to, ...because });
        else await keyover.ok("POST", `/v1/rotations/${id}/rollback`, because);
        await lineage.pass(SECOND);
        continue;
      }
    } else if (rotation.phase === "overlapping") {
      web.see(key.id, rotation.to);
    }
    for (let i = 0; i < 5; i++) await lineage.pass(50 * MINUTE);
    await lineage.pass(SECOND);
  }
  const end = await keyover.ok("GET", `/v1/keys/${key.id}`);
  expect(end.rotation, "the rotation does not end").toBeNull();
  const record = web.records.get(key.id) as KeyRecord;
  expect(acceptedIn(record)).toEqual([end.currentVersion]);
  expect(end.nextVersion ?? Number.POSITIVE_INFINITY).toBeGreaterThan(end.currentVersion);
}

describe.each(Object.entries(stories))("a rotation that is %s", (_name, acts) => {
  test.each(["verifiers", "backup"] as const)(
    "goes on from any backup and any memory, with %s chosen",
    async (side) => {
      const { story, moments } = await tell(acts);
      let restores = 0;
      for (const [i, backup] of moments.entries()) {
        for (const remembered of moments.slice(i)) {
          const what = `a backup of "${backup.name}", verifiers of "${remembered.name}"`;
          await restoreAt(story, backup, remembered, side).catch((error: unknown) => {
            throw new Error(what, { cause: error });
          });
          restores++;
        }
      }
      expect(restores).toBe((moments.length * (moments.length + 1)) / 2);
      story.lineage.keyover.die();
    },
    60_000,
  );
});
