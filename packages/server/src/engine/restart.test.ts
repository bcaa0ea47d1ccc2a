/**
 * A rotation, told as steps. Before any one of them, or between all of them, the authority dies and a new process starts on the same
 * store: the story must end the same (R14, I7), without a second successor (I6).
 */

import { describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { chainStart, verifyChain } from "../store/audit-chain.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

interface Story {
  keyover: TestAuthority;
  verifier: ScriptedVerifier;
  key: Answer["body"];
  holder: string;
  rotation: string;
  secrets: string[];
}

type Step = [name: string, act: (story: Story) => Promise<unknown>];

const because = { reason: "routine" };
const start: Step = [
  "start",
  async (story) => {
    const path = `/v1/keys/${story.key.id}/rotations`;
    story.rotation = (await story.keyover.ok("POST", path, {}, { idempotencyKey: "start" })).id;
  },
];
const again: Step = [
  "start again, with the same Idempotency-Key",
  async ({ keyover, key, rotation }) => {
    const replayed = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {}, { idempotencyKey: "start" });
    expect(replayed.id).toBe(rotation);
  },
];
const pass = (ms: number): Step => [`${ms / SECOND} s`, ({ keyover }) => keyover.pass(ms)];
const claim: Step = [
  "claim",
  async ({ keyover, rotation, holder, secrets }) => {
    secrets.push((await keyover.ok("POST", `/v1/rotations/${rotation}/claim`, undefined, { token: holder })).secret);
    expect(new Set(secrets).size, "another secret than the last time").toBe(1);
  },
];
const use = (version: number): Step => [
  `use of ${version}`,
  async ({ verifier, key }) => verifier.see(key.id, version),
];
const command = (name: string): Step => [
  name,
  ({ keyover, rotation }) => keyover.ok("POST", `/v1/rotations/${rotation}/${name}`, because),
];
const kill: Step = [
  "kill",
  ({ keyover, key }) => keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 }),
];

const stories: { name: string; steps: Step[]; phase: string; states: string[]; current: number }[] = [
  {
    name: "retired on evidence",
    steps: [
      use(1),
      pass(SECOND),
      start,
      again,
      pass(SECOND),
      claim,
      claim,
      use(2),
      pass(SECOND),
      pass(11 * MINUTE),
      pass(2 * HOUR),
      pass(SECOND),
    ],
    phase: "completed",
    states: ["destroyed", "active"],
    current: 2,
  },
  {
    name: "rolled back from retired",
    steps: [
      start,
      pass(SECOND),
      claim,
      use(2),
      pass(SECOND),
      command("retire"),
      pass(SECOND),
      command("rollback"),
      pass(SECOND),
      pass(HOUR),
      pass(SECOND),
    ],
    phase: "rolled-back",
    states: ["active", "destroyed"],
    current: 1,
  },
  {
    name: "killed on its way",
    steps: [
      use(1),
      pass(SECOND),
      start,
      kill,
      pass(SECOND),
      claim,
      use(2),
      pass(SECOND),
      pass(DAY),
      pass(DAY),
      pass(SECOND),
    ],
    phase: "completed",
    states: ["destroyed", "active"],
    current: 2,
  },
];

async function tell({ steps, phase, states, current }: (typeof stories)[number], dies: (step: number) => boolean) {
  const keyover = await TestAuthority.start();
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer });
  const holder = await keyover.token("consumer", { consumer: consumer.id });
  const verifier = await keyover.verifier(api);
  const story: Story = { keyover, verifier, key, holder, rotation: "", secrets: [] };
  for (const [i, [, act]] of steps.entries()) {
    if (dies(i)) await keyover.crash();
    await act(story);
  }
  const rotation = await keyover.ok("GET", `/v1/rotations/${story.rotation}`);
  expect(rotation).toMatchObject({ phase, endedAt: expect.any(Number) });
  const shown = await keyover.ok("GET", `/v1/keys/${key.id}`);
  expect(shown.versions.map(({ state }: { state: string }) => state)).toEqual(states);
  expect(shown).toMatchObject({ currentVersion: current, rotation: null });
  expect(await keyover.store.count("rotation", {})).toBe(1);
  expect(await keyover.store.count("sealed", { equals: { rotation_id: story.rotation } })).toBe(0);
  const entries = await keyover.store.audit(0, 10_000);
  expect(verifyChain(chainStart, entries)).toMatchObject({ seq: entries.length });
  const path = entries.filter(({ subjects }) => subjects.includes(story.rotation)).map(({ action }) => action);
  const failed = keyover.lines.filter((line) => /visit_failed|notice_use_failed|restless/.test(line));
  expect(failed).toEqual([]);
  await keyover.close();
  return path;
}

describe.each(stories)("a rotation that is $name", (story) => {
  test("ends so, whichever step the authority dies before", async () => {
    const undisturbed = await tell(story, () => false);
    for (const step of story.steps.keys()) expect(await tell(story, (i) => i === step)).toEqual(undisturbed);
    expect(await tell(story, () => true)).toEqual(undisturbed);
  });
});

test("a process that died between a report and the engine's look at it loses nothing of the use", async () => {
  const keyover = await TestAuthority.start();
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer });
  const verifier = await keyover.verifier(api);
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.pass(SECOND);
  await keyover.store.record({
    rows: [
      {
        keyId: key.id,
        version: 2,
        sourceId: "s",
        source: { network: "n", client: "c", instance: "" },
        first: keyover.now(),
        last: keyover.now(),
        accepted: 1,
        refused: 0,
        longestGapMs: 0,
      },
    ],
    reports: [],
  });
  await keyover.crash();
  await keyover.tick();
  expect((await keyover.ok("GET", `/v1/rotations/${id}`)).phase).toBe("overlapping");
  expect(verifier.alive).toBe(true);
  await keyover.close();
});
