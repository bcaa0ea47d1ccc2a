/**
 * The main job, for real: an API under continuous traffic has all its consumers' keys changed over, while processes are killed, and
 * not one request is refused.
 *
 *     npm run demo -- [--seconds 30] [--bots 12] [--postgres] [--json] [--keep]
 *
 * With --postgres the authority is three processes on a PostgreSQL that the demo starts; with DATABASE_URL, on that one, which must be empty.
 * Kill what you like by hand meanwhile (`kill -9`): it is started again, as a supervisor would.
 *
 * Everything that is counted is counted by the bots, in their own processes, from what the API answered them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Authority, startAuthority } from "./authority.ts";
import { type Bot, outside, startBot, startMarketApi, startThief } from "./cast.ts";
import { type DemoDatabase, startDatabase } from "./postgres.ts";
import { beginRotations, demoPolicy, endOf, issueKeys, moveStraggler, prepareApi, type Rotations } from "./provider.ts";
import { createView } from "./view.ts";

const usage = "npm run demo -- [--seconds 30, at least 20] [--bots 12, 4 to 200] [--postgres] [--json] [--keep]";
const { seconds, bots: botCount, postgres, json, keep } = readOptions();
const folder = mkdtempSync(join(tmpdir(), "keyover-demo-"));
// With --json the result alone goes to stdout.
const view = createView(json ? process.stderr : process.stdout, json);
outside.tell = (text) => view.say(text);
const startedAt = performance.now();
const until = (share: number) => sleep(Math.max(0, seconds * 1000 * share - (performance.now() - startedTrafficAt)));
let startedTrafficAt = 0;

const database: DemoDatabase | undefined = postgres ? await startDatabase() : undefined;
const databaseUrl = database?.url ?? (process.env.DATABASE_URL || undefined);
const where = databaseUrl === undefined ? "a fresh folder" : "PostgreSQL, as three processes";
view.say(`starting the authority on ${where}, and two market data APIs`);
const authority: Authority = await startAuthority(folder, databaseUrl);
const { admin } = authority;
const { api, verifierToken } = await prepareApi(admin, demoPolicy(seconds));
const apis = await Promise.all(
  ["market-api-1", "market-api-2"].map((name) => startMarketApi(folder, name, authority.urls, verifierToken)),
);
const urls = apis.map(({ url }) => url);

view.say(`issuing ${botCount} keys and starting as many bots, each in its own process`);
const stragglerCount = Math.max(1, Math.floor(botCount / 10));
const keys = await issueKeys(admin, api, botCount);
const pauseMs = Math.max(20, botCount * 2.5);
const bots: Bot[] = keys.map((key, i) => {
  const kind = i < stragglerCount ? ("plain" as const) : ("holder" as const);
  const authorityUrl = authority.urls[i % authority.urls.length] as string;
  return startBot(folder, urls, authorityUrl, pauseMs, { ...key, kind, name: `bot-${i + 1}` });
});
const stragglers = bots.filter(({ kind }) => kind === "plain");
const holders = bots.filter(({ kind }) => kind === "holder");
const victim = holders.at(-1) as Bot;
const turner = holders.at(-2) ?? victim;
let rotations: Rotations | undefined;
view.follow(() => ({ bots, rotations: rotations?.phases() }));
await waitFor(() => bots.every(({ counts }) => counts.accepted > 0), "every bot to be served");
startedTrafficAt = performance.now();

await until(0.1);
view.say("rotating all keys at once");
rotations = await beginRotations(admin, bots);
const refreshing = setInterval(() => void rotations?.refresh().catch(() => undefined), 500);
let processKills = 0;

if (database !== undefined) {
  await until(0.15);
  view.say("killing PostgreSQL (kill -9); the APIs go on deciding; starting it again");
  await database.kill();
  processKills++;
  await sleep(700);
  await database.start();
}

await until(0.2);
view.say(`killing ${apis[0]?.name} (kill -9) and starting it again from its snapshot`);
await apis[0]?.kill();
processKills++;
await sleep(300);
await apis[0]?.start();

await until(0.3);
const [first] = authority.processes as [(typeof authority.processes)[number]];
view.say(`killing ${first.name} (kill -9); the APIs go on deciding; starting it again`);
await first.kill();
processKills++;
await sleep(700);
await first.start();

await until(0.4);
view.say(`rolling back the rotation of ${turner.name}: its old key is current again`);
const rolledBack = await rotations.rollBack(turner);
await waitFor(() => turner.counts.currentVersion === 1, `${turner.name} to be back on its old key`);

await until(0.5);
view.say("the keys of those who moved retire on evidence; the stragglers hold theirs back");
const movers = bots.filter((bot) => bot.kind === "holder" && bot !== turner);
await waitFor(() => movers.every((bot) => rotations?.phaseOf(bot) === "retired"), "the movers' old keys to retire");
const heldBack = stragglers.every((bot) => rotations?.phaseOf(bot) !== "retired");

view.say(`the stragglers' files are rewritten at last (${stragglers.length} of them)`);
for (const straggler of stragglers) await moveStraggler(authority, straggler, rotations);

await until(0.65);
view.say(`${victim.name}'s key has leaked: a thief hammers with a copy`);
const thief = startThief(folder, urls, victim);
await waitFor(() => thief.counts.accepted > 50, "the thief to be at work");
view.say("emergency: kill that version");
const killSentAt = Date.now();
const refusedBeforeKill = victim.counts.refused;
await admin.request("post", "/v1/keys/{key}/emergency", {
  params: { key: victim.keyId },
  body: { mode: "kill", reason: "found in a public repository" },
});
await sleep(1_000);

await waitFor(
  () => stragglers.every((bot) => rotations?.phaseOf(bot) === "retired"),
  "the stragglers' old keys to retire",
);
await until(1);
await thief.stop();
await Promise.all(bots.map((bot) => bot.stop()));
clearInterval(refreshing);
await rotations.refresh();
view.stop();

// The killed version is refused to its owner too, until its successor is accepted everywhere and claimed.
const refusedByKill = victim.counts.refused - refusedBeforeKill;
const result = {
  requests: sum(bots, ({ counts }) => counts.requests),
  refused: sum(bots, ({ counts }) => counts.refused) - refusedByKill,
  refusedByKill,
  rotations: bots.filter(({ counts }) => (counts.versions[2] ?? 0) > 0).length,
  retiredOnEvidence: 0,
  rolledBack: rolledBack && turner.counts.currentVersion === 1 ? 1 : 0,
  revocationMs: Math.max(0, thief.counts.lastAcceptedSentAt - killSentAt),
  processKills: processKills + outside.kills,
  bots: bots.length,
  heldBackByStragglers: heldBack,
  connectionFailures: sum(bots, ({ counts }) => counts.connectionFailures),
  thiefRefused: thief.counts.refused,
  victimMovedOn: victim.counts.currentVersion === 3,
  seconds: Math.round((performance.now() - startedAt) / 100) / 10,
};
// An old key is retired if the API says so to whoever presents it; that nobody was forced, the rotations say.
for (const bot of bots) if (await endOf(urls[0] as string, bot, rotations)) result.retiredOnEvidence++;

const good =
  result.refused === 0 && result.retiredOnEvidence > 0 && result.rolledBack === 1 && heldBack && result.victimMovedOn;

for (const running of [...apis, ...authority.processes]) await running.stop();
await database?.stop();
if (keep || !good) view.say(`the processes' folders and logs are kept in ${folder}`);
else rmSync(folder, { recursive: true, force: true });
summarize();
process.exit(good ? 0 : 1);

function summarize(): void {
  view.say("");
  view.say(
    `${result.requests} requests by ${result.bots} bots; refused though they did nothing wrong: ${result.refused}`,
  );
  view.say(
    `${result.rotations} keys changed over under traffic; ${result.retiredOnEvidence} old versions retired on evidence`,
  );
  view.say(
    `${stragglers.length} straggler(s) ${heldBack ? "kept their old version alive until they moved" : "were NOT waited for"}`,
  );
  view.say(`1 rotation rolled back: ${result.rolledBack === 1 ? "its bot works with the old key again" : "FAILED"}`);
  view.say(
    `a leaked key was refused ${result.revocationMs} ms after the kill was sent; its owner ${result.victimMovedOn ? "is on a new one" : "has NOT moved"} after ${refusedByKill} refusals`,
  );
  view.say(
    `${result.processKills} kills with kill -9; the bots met ${result.connectionFailures} closed connections and tried again`,
  );
  for (const bot of result.refused === 0 ? [] : bots)
    for (const refusal of bot.counts.refusals) view.say(`  refused: ${bot.name} ${JSON.stringify(refusal)}`);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

async function waitFor(done: () => boolean, what: string): Promise<void> {
  const limitMs = 30_000;
  for (let waited = 0; waited < limitMs; waited += 50) {
    if (done()) return;
    await sleep(50);
  }
  throw new Error(`waited ${limitMs / 1000} s for ${what}`);
}

function readOptions(): { seconds: number; bots: number; postgres: boolean; json: boolean; keep: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: "string", default: "30" },
        bots: { type: "string", default: "12" },
        postgres: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`usage: ${usage}\n`);
      process.exit(0);
    }
    const seconds = Number(values.seconds);
    const bots = Number(values.bots);
    if (!(seconds >= 20 && seconds <= 3_600)) throw new Error("--seconds takes 20 to 3600");
    if (!(Number.isInteger(bots) && bots >= 4 && bots <= 200))
      throw new Error("--bots takes a whole number from 4 to 200");
    return { seconds, bots, postgres: values.postgres, json: values.json, keep: values.keep };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}\n`);
    process.exit(2);
  }
}
