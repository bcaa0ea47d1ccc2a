/** Refusals speak of options: for every command that sends a body, and for every member that it can send. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { makeTestFolder, runProgram } from "./cli.test-world.ts";
import { programOn } from "./cli.ts";
import { processIo } from "./io.ts";

const { folder, remove } = makeTestFolder();
afterAll(remove);

/** A file that only its user can read. */
function privateFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const policyOptions = ["--overlap=7d", "--overlap-min=1h", "--quiet=1d", "--gap-margin=2", "--young-quiet=1d"];
policyOptions.push("--on-deadline=hold", "--rollback-window=1d", "--claim-time=8d", "--claim=self");
const staleness = ["--lease=10s", "--on-stale=static", "--static-for=1h"];
const selection = ["--api=market", "--environment=live", "--consumer=acme", "--consumer-label=partner=acme"];
selection.push("--label=team=desk", "--key=key_1", "--created-before=2020-01-01");
const gates = ["--offered=100", "--claimed=80", "--retired=10", "--soak=1h", "--patience=7d", "--max-failed=1"];
const settings = ["--event=rotation.*", "--severity=warning", "--quiet=22:00-07:00@UTC", "--digest=1h"];
settings.push("--escalate=other", "--escalate-after=1h");
const why = "--reason=why";

/** Each with all the options that put something into its body; some lines where options exclude each other. */
const bodies: Record<string, string[][]> = {
  "api create": [["market", "--prefix=mkt", "--scope=a", "--environment=live", ...policyOptions, ...staleness]],
  "api update": [
    ["market", "--add-scope=b", "--add-environment=test", "--default-plan=pro", ...policyOptions, ...staleness],
    ["market", "--clear-default-plan"],
  ],
  "plan create": [["pro", "--api=market", "--rate=sustained=100/1s burst 200", "--quota=monthly=10/month"]],
  "plan update": [
    ["pro", "--api=market", "--name=n", "--rate=sustained=100/1s per consumer"],
    ["pro", "--api=market", "--clear-limits"],
  ],
  "consumer create": [["acme", "--label=a=b", "--notes=n"]],
  "consumer update": [
    ["acme", "--name=b", "--label=a=b", "--notes=n"],
    ["acme", "--clear-labels"],
  ],
  "key create": [
    ["--api=market", "--environment=live", "--consumer=acme", "--scope=a", "--name=n", "--network=10.0.0.0/8"].concat(
      ["--plan=pro", "--label=a=b", "--notes=n", "--expires=90d", "--sha256=x"],
      policyOptions,
    ),
  ],
  "key update": [
    ["key_1", "--name=n", "--scope=a", "--widen", "--network=10.0.0.0/8", "--label=a=b", "--notes=n"].concat(
      ["--expires=never", "--plan=pro"],
      policyOptions,
    ),
    ["key_1", "--any-network", "--clear-labels", "--default-plan"],
  ],
  "key rotate": [["key_1", why, "--starts=90d", "--scope=a", "--sha256=x", ...policyOptions]],
  "key suspend": [["key_1", why]],
  "key restore": [["key_1", why]],
  "key revoke": [["key_1", why, "--yes"]],
  "key kill": [["key_1", why, "--version=1", "--yes"]],
  "key contain": [["key_1", why, "--version=1", "--scope=a", "--network=10.0.0.0/8"]],
  "rotation extend": [
    ["rot_1", "--by=1d"],
    ["rot_1", "--until=90d"],
    ["rot_1", "--by=1d", "--own"],
  ],
  "rotation shorten": [
    ["rot_1", "--by=1d"],
    ["rot_1", "--until=90d"],
  ],
  "rotation retire": [["rot_1", why, "--yes"]],
  "rotation rollback": [["rot_1", why]],
  "rotation pause": [["rot_1", why]],
  "rotation brownout": [["rot_1", why, "--for=1m"]],
  "rotation end-brownout": [["rot_1", why]],
  "rotation lift-fence": [["rot_1", why]],
  "campaign start": [
    ["--name=spring", why, ...selection, "--canary=key_2", "--wave=10%", "--wave=environment:test"].concat(
      ["--wave=consumer-label:a=b", "--max-refused=1", "--pace=5", "--expect=10", "--yes"],
      gates,
    ),
    ["--name=spring", why, "--everything", "--yes"],
    ["--name=spring", why, "--everything", "--dry-run"],
  ],
  "campaign pause": [["cam_1", why]],
  "campaign continue": [["cam_1", why]],
  "campaign abort": [["cam_1", why]],
  "campaign roll-back": [["cam_1", why, "--wave=1", "--yes"]],
  "emergency kill": [[why, "--name=n", ...selection, "--expect=10", "--yes"]],
  "emergency contain": [[why, "--name=n", ...selection, "--expect=10", "--scope=a", "--network=10.0.0.0/8", "--yes"]],
  "policy apply": [
    [`--file=${privateFile("desk.yaml", "{name: desk, spec: {overlapMs: 21d, schedule: {maxAgeMs: 60d}}}")}`],
  ],
  "policy attach": [
    ["desk", "--api=market"],
    ["desk", "--api=market", "--environment=live"],
    ["desk", "--consumer-label=a=b"],
    ["desk", "--key=key_1"],
  ],
  "token create": [
    ["t", "--role=verifier", "--api=market", "--environment=live", "--owner=o", "--expires=90d"],
    ["t", "--role=consumer", "--consumer=acme"],
  ],
  "token update": [
    ["tok_1", "--owner=o"],
    ["tok_1", "--no-owner"],
  ],
  offboard: [["ann@example.com", "--yes", why, "--mode=kill", "--direct", "--revoke-made"]],
  "channel add": [
    ["ops", "--webhook=https://example.com", "--consumer=acme", ...settings],
    ["ops", "--email=a@example.com"],
    ["ops", `--slack-url-file=${privateFile("slack.url", "https://example.com")}`],
    ["ops", "--telegram=4711", `--bot-token-file=${privateFile("bot.token", "t")}`],
    ["ops", `--pagerduty-key-file=${privateFile("pagerduty.key", "k")}`],
  ],
  "channel update": [
    ["ops", "--name=n", "--enable", "--force", "--webhook=https://example.com", ...settings],
    ["ops", "--disable", "--no-quiet", "--no-escalate"],
  ],
  "channel rotate-secret": [["ops", "--keep-old=1d"]],
  verify: [["--api=market", "--environment=live", "--scope=a", "--network=10.0.0.1", "--client=c", "--instance=i"]],
  reconcile: [["--api=market", "--choose=backup", why, "--key=key_1=backup", "--revive", "--yes"]],
};

/** Their calls have no body, or an empty one, or they call nobody. */
const without = new Set(
  [
    "serve verifier init migrate backup restore watch doctor",
    "plan list,plan show,plan remove,api list,api show,api verifiers,api remove-verifier,consumer list,consumer show,key list,key show,key usage",
    "rotation list,rotation show,rotation evidence,rotation resume,rotation cancel,rotation claim",
    "campaign list,campaign show,campaign watch,campaign report,campaign resume",
    "policy list,policy show,policy history,policy remove,policy detach,policy explain,token list,token revoke",
    "channel list,channel show,channel test,channel remove",
    "notices list,notices dead,notices show,notices resend,notices acknowledge,audit list",
  ].flatMap((line, i) => line.split(i === 0 ? " " : ",")),
);

function leaves(command: Command, path: string[]): string[] {
  if (command.commands.length === 0) return [path.join(" ")];
  return command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

it("every command stands in one of the two lists", () => {
  const known = [...Object.keys(bodies), ...without];
  expect(known.toSorted()).toEqual(leaves(programOn(processIo()), []).toSorted());
});

/** What the program puts in by itself, or is told in another way than by an option; and what it puts in where the option is not given. */
const OWN = /^body\.(seen(\..*)?|target\.kind|action|key)$/;
const FILLED_IN = /^body\.(waves|dryRun|target\.api|force)$/;
const MODE_IN_NAME = /^(key|emergency) (kill|contain)$/;

function leafPaths(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value);
  return inner.length === 0 ? [path] : inner.flatMap(([name, each]) => leafPaths(each, `${path}.${name}`));
}

const item = { id: "con_1", name: "acme" };
const rotation = { overlapEndsAt: null };
const campaign = { wave: 0, waves: [{ items: { started: 1 } }] };
const reconciliation = { api: "api_1", state: "held", keys: 0, restoredAt: null, marks: [], unheard: [], seen: [] };
const found = { ...item, ...rotation, ...campaign, ...reconciliation, items: [item], next: null };

/** Answers what is looked up, and refuses what is sent: every member of the body, and then its members. */
function refusingAll(sent: string[]): typeof fetch {
  return async (_url, init) => {
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    if (body === undefined) return Response.json(found);
    const paths = leafPaths(body, "body");
    sent.push(...paths);
    const errors = paths.map((path) => ({ path, message: "can't be so" }));
    const detail = errors.map(({ path, message }) => `${path}: ${message}`).join("; ");
    const problem = { type: "about:blank", title: "x", status: 400, code: "invalid_request", detail, errors };
    return Response.json(problem, { status: 400 });
  };
}

const lines = Object.entries(bodies).flatMap(([name, all]) => all.map((args) => [name, args] as const));

describe("what the authority finds wrong in the body is told by the option", () => {
  it.each(lines)("%s %j", async (name, args) => {
    const sent: string[] = [];
    const env = { KEYOVER_TOKEN: "kot_x", KEYOVER_KEY: "some key" };
    const { code, err } = await runProgram([...name.split(" "), ...args], { env, fetch: refusingAll(sent) });
    expect([code, err]).toEqual([1, expect.stringContaining("can't be so")]);
    expect(sent).not.toEqual([]);
    const said = (err.split("keyover: ").at(-1) ?? "").split(": can't be so").map((text) => text.replace("; ", ""));
    for (const [i, path] of sent.entries()) {
      if (OWN.test(path) || (path === "body.mode" && MODE_IN_NAME.test(name))) continue;
      expect(said[i], path).toMatch(/^(--[a-z]|<name>)/);
      const option = /^--[a-z0-9-]+/.exec(said[i] as string)?.[0];
      if (option === undefined || FILLED_IN.test(path)) continue;
      expect(args.join(" ").replaceAll("--no-", "--"), path).toContain(option);
    }
  });
});

describe("and", () => {
  const refusal = (errors: { path: string; message: string }[], detail = "") => {
    const problem = { type: "about:blank", title: "x", status: 400, code: "invalid_request", detail };
    const body = { ...problem, ...(errors.length === 0 ? {} : { errors }) };
    return async () => Response.json(body, { status: 400 });
  };
  const saidBy = async (args: string[], ...given: Parameters<typeof refusal>) => {
    const env = { KEYOVER_TOKEN: "kot_x" };
    return (await runProgram(args, { env, fetch: refusal(...given) })).err;
  };

  it("of several values the wrong one is shown, without what could move the cursor", async () => {
    const args = ["api", "update", "market", "--add-scope", "a", "--add-scope", "b\u001b[2J c"];
    const err = await saidBy(args, [{ path: "body.addScopes.1", message: "is no scope" }]);
    expect(err).toBe('keyover: --add-scope "b c": is no scope (invalid_request)\n');
  });

  it("the nearest name counts: a canary stands among the waves", async () => {
    const args = ["campaign", "start", "--name", "n", "--reason", "r", "--everything", "--yes"];
    const more = ["--canary", "key_1", "--canary", "key_2", "--wave", "10%"];
    const errors = [
      { path: "body.waves.0.keys.1", message: "is odd" },
      { path: "body.waves.1.percent", message: "is odd" },
    ];
    expect(await saidBy([...args, ...more], errors)).toContain('--canary "key_2": is odd; --wave: is odd');
  });

  it("of an argument and of a filter too", async () => {
    expect(await saidBy(["api", "show", "x"], [{ path: "params.api", message: "is too long" }])).toContain(
      "<api>: is too long",
    );
    const listed = [{ path: "querystring.environment", message: "is too long" }];
    expect(await saidBy(["key", "list", "--environment", "live"], listed)).toContain("--environment: is too long");
  });

  it("a policy that contradicts itself is told by options where the command has them", async () => {
    const sentence = "overlapMinMs (1h) is longer than overlapMs (30m); overlapMaxMs is 366d";
    expect(await saidBy(["api", "update", "market", "--overlap", "30m"], [], sentence)).toContain(
      "--overlap-min (1h) is longer than --overlap (30m); overlapMaxMs is 366d",
    );
    expect(await saidBy(["policy", "show", "desk"], [], sentence)).toContain(sentence);
  });

  it("what it can't name stays as it came", async () => {
    expect(await saidBy(["key", "list"], [{ path: "headers.x", message: "is odd" }])).toContain("headers.x: is odd");
  });
});
