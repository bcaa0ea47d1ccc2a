/** What verifiers tell: parts, repetitions, strangers' records, contradictions. */
import type { KeyRecord } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, SECOND } from "../authority.test-support.ts";
import { Lineage, type RememberingVerifier } from "./restore.test-support.ts";

let lineage: Lineage;
let api: Answer["body"];
let consumer: Answer["body"];
let keys: Answer["body"][];
let web: RememberingVerifier;
let desk: RememberingVerifier;
/** The feed's head in the backup. */
let after: number;

const because = { reason: "leaked" };
const revoke = (key: { id: string }) => lineage.keyover.ok("POST", `/v1/keys/${key.id}/revoke`, because);
const narrow = (key: { id: string }, scopes: string[]) => lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes });
const differing = async () => (await lineage.differences(api)).map(({ key, changes }) => [key, changes]);
const recordOf = (key: { id: string }) => web.records.get(key.id) as KeyRecord;

beforeEach(async () => {
  lineage = await Lineage.start();
  api = await lineage.api();
  consumer = await lineage.consumer();
  keys = [];
  for (let i = 0; i < 3; i++) keys.push(await lineage.keyover.key({ api, consumer }));
  keys.sort((a, b) => (a.id < b.id ? -1 : 1));
  web = await lineage.verifier(api, "web");
  desk = await lineage.verifier(api, "desk");
  await lineage.pass(SECOND);
  after = web.seq;
  const image = lineage.backup();
  for (const key of keys) await narrow(key, ["market:read"]);
  await lineage.pass(SECOND);
  await lineage.restore(image);
});
afterEach(() => lineage.keyover.die());

const part = (n: number, last: boolean, records: unknown[], change: Record<string, unknown> = {}) => ({
  instance: "web",
  epoch: web.epoch,
  seq: web.seq,
  n,
  last,
  records,
  ...change,
});
const tell = (body: object, by = web) => by.call("POST", "/remembered", body);
const mark = async (instance = "web") =>
  (await lineage.look(api)).marks.find((each: { instance: string }) => each.instance === instance);

describe("parts", () => {
  test("count one after the other, a repeated one once; the last makes the verifier's word whole", async () => {
    const [a, b, c] = keys.map(recordOf);
    expect((await tell(part(1, false, [a]))).body).toEqual({ records: 1 });
    expect((await tell(part(1, false, [a]))).status).toBe(200);
    expect(await mark()).toMatchObject({ complete: false });
    expect((await tell(part(3, true, [c]))).body.code).toBe("conflict");
    expect((await tell(part(2, false, [b]))).status).toBe(200);
    expect((await tell(part(3, true, [c]))).status).toBe(200);
    expect((await tell(part(3, true, [c]))).status).toBe(200);
    expect(await mark()).toMatchObject({ complete: true, seq: web.seq, passedOver: 0 });
    expect(await differing()).toEqual(keys.map(({ id }) => [id, ["scopes changed"]]));
  });

  test("are the verifier's last word: what it sent before, and comes late, does not undo it", async () => {
    const late = { epoch: web.epoch, seq: web.seq - 1, followed: web.seq - 1 };
    const registration = { boot: web.boot, instance: "web", software: "" };
    const register = (said: object) => web.call("POST", "/verifiers", { ...registration, ...said });
    expect(await web.comeBack()).toBe("reconciling");
    const whole = { complete: true, seq: web.seq };
    expect(await mark()).toMatchObject(whole);
    for (const said of [{ holds: late }, { holds: { ...late, epoch: `${api.id}:earlier` } }, {}]) {
      expect((await register(said)).body.code).toBe("reconciling");
      expect(await mark()).toMatchObject(whole);
    }
    expect((await tell(part(1, false, [recordOf(keys[0])], late))).body).toEqual({ records: 0 });
    expect(await mark()).toMatchObject(whole);
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect(await web.comeBack()).toBe("welcome");
  });

  test("count though somebody with another token has spoken in the verifier's name, of more", async () => {
    const token = await lineage.keyover.token("verifier", { apis: [api.id] });
    const pretended = { instance: "web", epoch: web.epoch, seq: web.seq + 1_000 };
    const pretend = (path: string, body: object) =>
      lineage.keyover.call("POST", `/v1/apis/${api.id}${path}`, body, { token });
    expect((await pretend("/remembered", part(1, true, [], pretended))).body).toEqual({ records: 0 });
    expect(await mark()).toMatchObject({ complete: true, seq: pretended.seq });
    const registration = { boot: web.boot, instance: "web", software: "" };
    const said = { ...registration, holds: { epoch: web.epoch, seq: web.seq, followed: web.seq } };
    expect((await web.call("POST", "/verifiers", said)).body.code).toBe("reconciling");
    expect(await mark()).toMatchObject({ complete: false, seq: web.seq });
    // In the midst of what it tells the other speaks again.
    await tell(part(1, false, [recordOf(keys[0])]));
    await pretend("/remembered", part(1, true, [], { ...pretended, seq: pretended.seq + 1 }));
    await tell(part(2, true, keys.slice(1).map(recordOf)));
    expect(await differing()).toEqual(keys.map(({ id }) => [id, ["scopes changed"]]));
  });

  test("of a verifier that broke off in the middle are not its whole word: it comes back as a late one", async () => {
    await tell(part(1, false, [recordOf(keys[0])]));
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect((await lineage.look(api)).compared).toEqual({});
    expect(await web.comeBack()).toBe("reconciling");
    expect((await lineage.look(api)).state).toBe("late");
    expect(await differing()).toEqual([
      [keys[0].id, []],
      [keys[1].id, ["scopes changed"]],
      [keys[2].id, ["scopes changed"]],
    ]);
  });

  test("are refused while a choice is carried out, and passed over when nothing waits", async () => {
    await web.comeBack();
    await lineage.choose(api, "verifiers");
    expect((await tell(part(1, true, [recordOf(keys[0])]), desk)).body.code).toBe("reconciling");
    await lineage.pass(SECOND);
    expect((await tell(part(1, true, [recordOf(keys[0])]))).body).toEqual({ records: 0 });
    expect((await lineage.look(api)).state).toBe("served");
  });
});

describe("a record", () => {
  test("that is none, or not the token's to speak of, is passed over and counted; the others are taken", async () => {
    const token = await lineage.keyover.token("verifier", { apis: [api.id], environments: ["test"] });
    const record = recordOf(keys[0]);
    const wrong: unknown[] = [
      { ...record, key: "key_x" },
      { ...record, status: "unheard-of" },
      { ...record, current: 7 },
      { ...record, versions: [...record.versions, ...record.versions] },
      { ...record, scopes: ["x".repeat(101)] },
      { ...record, seq: web.seq + 1 },
      {},
    ];
    expect((await tell(part(1, true, [...wrong, record]))).body).toEqual({ records: 1 });
    expect(await mark()).toMatchObject({ passedOver: wrong.length, complete: true });
    const foreign = await lineage.keyover.call(
      "POST",
      `/v1/apis/${api.id}/remembered`,
      part(1, true, [record], { instance: "t" }),
      { token },
    );
    expect(foreign.body).toEqual({ records: 0 });
    expect(await mark("t")).toMatchObject({ passedOver: 1, environments: ["test"] });
    expect(await differing()).toHaveLength(1);
  });

  test("of an api that the token may not follow, or with a number that no feed reaches, is refused", async () => {
    const other = await lineage.api();
    const token = await lineage.keyover.token("verifier", { apis: [other.id] });
    const path = `/v1/apis/${api.id}/remembered`;
    expect((await lineage.keyover.call("POST", path, part(1, true, []), { token })).status).toBe(404);
    expect((await tell(part(1, true, [], { seq: 2 ** 52 }))).body.code).toBe("invalid_request");
    expect((await tell({ ...part(1, true, []), records: Array.from({ length: 501 }, () => ({})) })).body.code).toBe(
      "invalid_request",
    );
  });

  test("of a key that is another api's changes nothing there", async () => {
    const other = await lineage.api();
    const theirs = await lineage.keyover.key({ api: other, consumer });
    const stolen = { ...recordOf(keys[0]), key: theirs.id, status: "revoked" };
    await tell(part(1, true, [stolen]));
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect((await lineage.look(api)).state).toBe("served");
    expect((await lineage.keyover.ok("GET", `/v1/keys/${theirs.id}`)).status).toBe("active");
    const left = (await lineage.keyover.store.audit(0, 10_000)).filter(
      ({ action }) => action === "restore.key_left_out",
    );
    expect(left.map(({ subjects }) => subjects[0])).toEqual([theirs.id]);
  });

  test("with a secret that another key has is left out, and the rest is carried out", async () => {
    const [a, b] = keys.map(recordOf) as [KeyRecord, KeyRecord];
    const taken = { ...a, versions: a.versions.map((version) => ({ ...version, sha256: b.versions[0]?.sha256 })) };
    await tell(part(1, true, [taken, b]));
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect((await lineage.look(api)).state).toBe("served");
    expect((await lineage.keyover.ok("GET", `/v1/keys/${b.key}`)).scopes).toEqual(["market:read"]);
  });
});

describe("several verifiers", () => {
  test("that say the same are named together, and the newest word counts", async () => {
    const old = { ...recordOf(keys[2]), seq: after + 1, scopes: [] };
    await tell(part(1, true, [old], { instance: "old", seq: after + 1 }));
    await web.comeBack();
    await desk.comeBack();
    const last = (await lineage.differences(api)).at(-1);
    expect(last).toMatchObject({ instances: ["web", "desk"], contradicts: [] });
    await lineage.reconcile(api, "verifiers");
    expect(web.records.get(keys[2].id)?.scopes).toEqual(["market:read"]);
  });

  test("that come at once are all heard", async () => {
    const instances = Array.from({ length: 12 }, (_, i) => `web-${i}`);
    const records = keys.map(recordOf);
    const answers = await Promise.all(instances.map((instance) => tell(part(1, true, records, { instance }))));
    expect(answers.map(({ status }) => status)).toEqual(instances.map(() => 200));
    expect((await lineage.look(api)).marks).toHaveLength(12);
  });

  test("that contradict each other are shown so, and no choice is taken until somebody's word is chosen", async () => {
    await web.comeBack();
    const [a] = keys.map(recordOf) as [KeyRecord];
    await tell(part(1, true, [{ ...a, scopes: ["trade:write"] }], { instance: "odd" }));
    const [first] = await lineage.differences(api);
    expect(first).toMatchObject({ key: a.key, instances: ["web"], contradicts: [{ instances: ["odd"] }] });
    const path = `/v1/apis/${api.id}/reconciliation`;
    const body = { choose: "verifiers", reason: "restored" };
    expect(await lineage.keyover.refused("conflict", "POST", path, body)).toMatchObject({ contradictions: [a.key] });
    const either = { ...body, keys: [{ key: a.key, choose: "verifiers", instance: "nobody" }] };
    await lineage.keyover.refused("conflict", "POST", path, either);
    await lineage.reconcile(api, "verifiers", { keys: [{ key: a.key, choose: "verifiers", instance: "odd" }] });
    expect(web.records.get(a.key)?.scopes).toEqual(["trade:write"]);
  });

  test("one of whom knows of a revocation that the other's newer word does not have: it stays", async () => {
    const a = recordOf(keys[2]);
    await tell(part(1, true, [{ ...a, seq: after + 1, status: "revoked" }], { instance: "odd", seq: after + 1 }));
    await lineage.reconcile(api, "verifiers");
    expect(web.states(a.key)).toEqual({ 0: "revoked" });
  });
});

test("a late verifier's word counts only for what was not compared", async () => {
  web.alive = false;
  const seq = web.seq;
  await lineage.reconcile(api, "verifiers");
  await narrow(keys[0], []);
  await lineage.pass(SECOND);
  // It knows one change more, of another key, and holds the old records of all.
  web.seq = seq + 1;
  web.put({ ...recordOf(keys[1]), seq: seq + 1, scopes: ["trade:write"] });
  expect(await web.comeBack()).toBe("reconciling");
  await web.tell(after);
  expect(await differing()).toEqual([[keys[1].id, ["scopes changed"]]]);
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect(await web.comeBack()).toBe("welcome");
  expect(web.records.get(keys[0].id)?.scopes).toEqual([]);
  expect(web.records.get(keys[1].id)?.scopes).toEqual(["trade:write"]);
});

test("a late verifier that is ahead even of the new numbers makes the feed leap once more, and the others begin with a snapshot", async () => {
  web.alive = false;
  await lineage.reconcile(api, "verifiers");
  const far = desk.seq + 500;
  web.put({ ...recordOf(keys[1]), seq: far, status: "revoked" });
  web.seq = far;
  expect(await web.comeBack()).toBe("reconciling");
  await lineage.choose(api, "verifiers");
  desk.serving = false;
  await lineage.pass(SECOND);
  expect((await desk.call("GET", `/feed?after=${desk.seq}`)).body.code).toBe("feed_compacted");
  expect(await web.comeBack()).toBe("welcome");
  expect(web.seq).toBeGreaterThan(far);
});

test("the new numbers lie beyond all that a verifier has told, also if it has lost its disk since", async () => {
  const far = web.seq + 2_000_000;
  web.put({ ...recordOf(keys[1]), seq: far });
  web.seq = far;
  expect(await web.comeBack()).toBe("reconciling");
  web.records.clear();
  web.seq = 0;
  expect(await web.comeBack()).toBe("reconciling");
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect(await web.comeBack()).toBe("welcome");
  expect(web.seq).toBeGreaterThan(far);
});

test("what a verifier holds of another api that had the same name is nothing to compare, and keeps nobody out", async () => {
  const stranger = { epoch: "api_0000000000000000000000", seq: web.seq + 5 };
  expect((await tell(part(1, true, [recordOf(keys[0])], stranger))).body).toEqual({ records: 0 });
  Object.assign(web, stranger);
  expect(await web.comeBack()).toBe("reconciling");
  expect(await differing()).toEqual([]);
  expect(await mark()).toMatchObject({ seq: 0, complete: true });
  const fresh = await lineage.api();
  const token = await lineage.keyover.token("verifier", { apis: [fresh.id] });
  const body = { boot: `boo_${"0".repeat(22)}`, instance: "x", software: "", holds: stranger };
  expect((await lineage.keyover.call("POST", `/v1/apis/${fresh.id}/verifiers`, body, { token })).status).toBe(200);
});

test("one choice at a time, and none where nothing waits", async () => {
  const path = `/v1/apis/${api.id}/reconciliation`;
  const body = { choose: "backup", reason: "restored" };
  await lineage.choose(api, "backup");
  await lineage.keyover.refused("conflict", "POST", path, body);
  await lineage.pass(SECOND);
  await lineage.keyover.refused("conflict", "POST", path, body);
  const untouched = await lineage.api();
  await lineage.keyover.refused("conflict", "POST", `/v1/apis/${untouched.id}/reconciliation`, body);
  expect(await revoke(keys[0])).toMatchObject({ status: "revoked" });
});

test("a word that comes while the operator chooses is compared, or told again: no verifier waits for ever", async () => {
  const { store } = lineage.keyover;
  const list = store.list.bind(store);
  let told: Answer | undefined;
  store.list = async (table, ...rest) => {
    const rows = await list(table, ...rest);
    // The choice has read who was heard, and is not on record yet.
    if (table === "restore_mark" && told === undefined) {
      told = { status: 0, body: {}, text: "", headers: {} } as Answer;
      told = await tell(part(1, true, keys.map(recordOf)));
    }
    return rows;
  };
  const choice = { choose: "backup", reason: "restored" };
  const { body } = await lineage.keyover.call("POST", `/v1/apis/${api.id}/reconciliation`, choice);
  expect(body.code).toBe("conflict");
  expect(told?.status).toBe(200);
  await lineage.choose(api, "backup");
  await lineage.pass(SECOND);
  expect((await lineage.look(api)).compared.live).toBe(web.seq);
});
