/** `keyover offboard WHO`: what somebody could have seen; with `--yes` its replacement. */
import type { AnswerOf, paths } from "@keyover/client/api";
import { campaignActions } from "@keyover/core";
import { type Command, Option } from "commander";
import { type Call, calls, show } from "./command-group.ts";
import { named } from "./entity-tables.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, widthOf } from "./io.ts";
import { keyName, type Names, namesOf } from "./names.ts";
import { positive } from "./options.ts";
import { type Column, clean, count, relative, table } from "./render.ts";

type Reach = AnswerOf<paths["/v1/custodians/{who}"]["get"]>;
type Offboarded = AnswerOf<paths["/v1/custodians/{who}/offboard"]["post"]>;
type Secret = Reach["secrets"]["items"][number];

interface Options {
  yes?: boolean;
  reason?: string;
  mode: (typeof campaignActions)[number];
  direct?: boolean;
  revokeMade?: boolean;
  limit?: number;
}

const SHOWN = 50;

export function offboardCommand(program: Command, io: Io): void {
  const offboard = program
    .command("offboard")
    .argument("<who>", "a token's handle, an owner, a consumer, or a label name=value; owner:… says which is meant")
    .description("somebody leaves: show what they could have seen; with --yes revoke their tokens and replace it")
    .option("--yes", "act; otherwise it is only shown")
    .option("--reason <text>", "with --yes: for the audit log")
    .addOption(
      new Option("--mode <mode>", "the keys are rotated, fenced while they change over, or refused at once")
        .choices(campaignActions)
        .default("rotate"),
    )
    .option("--direct", "only what was shown to their own tokens, and not to tokens that they have made")
    .option("--revoke-made", "revoke also the tokens that they have made for others")
    .option("--limit <n>", `so many secrets are listed (otherwise ${SHOWN})`, positive);
  calls<Options, [string]>(
    offboard,
    io,
    [
      "keyover offboard ann@example.com",
      'keyover offboard ann@example.com --yes --reason "has left"',
      'keyover offboard partner=acme --mode kill --yes --reason "contract ended"',
    ],
    async (call, who) => {
      const { yes, reason, mode, direct = false, revokeMade = false } = call.options;
      if (yes !== true) {
        if (reason !== undefined) throw new UsageError("--reason goes with --yes; without it nothing is done");
        return showReach(call, who);
      }
      if (reason === undefined) throw new UsageError('--yes needs a reason for the audit log: --reason "has left"');
      const body = { mode, reason, direct, revokeMade };
      const answer = await call.api.request("post", "/v1/custodians/{who}/offboard", { params: { who }, body });
      const names = await namesOf(call, { tokens: answer.left.map(({ token }) => token) });
      show(call, answer, () => offboardedText(answer, names));
    },
  );
}

async function showReach(call: Call<Options>, who: string): Promise<void> {
  const { limit = SHOWN, direct } = call.options;
  const look = (cursor?: string, left = limit) =>
    call.api.request("get", "/v1/custodians/{who}", {
      params: { who },
      query: {
        limit: Math.min(500, left),
        ...(direct ? { direct: "true" } : {}),
        ...(cursor === undefined ? {} : { cursor }),
      },
    });
  const reach = await look();
  const { secrets } = reach;
  while (secrets.next !== null && secrets.items.length < limit) {
    const more = await look(secrets.next, limit - secrets.items.length);
    secrets.items.push(...more.secrets.items);
    secrets.next = more.secrets.next;
  }
  const names = await namesOf(
    call,
    {
      apis: secrets.items.map(({ api }) => api),
      consumers: secrets.items.map(({ consumer }) => consumer),
      tokens: [
        ...secrets.items.flatMap(({ through }) => through ?? []),
        ...reach.tokens.flatMap(({ madeWith }) => madeWith ?? []),
      ],
    },
    { consumers: reach.who.consumers, tokens: reach.tokens },
  );
  show(call, reach, () => reachText(call, reach, names, who));
}

function reachText(call: Call<Options>, reach: Reach, names: Names, asked: string): string {
  const { tokens, counts, secrets, warnings } = reach;
  if (counts === null) throw new Error("the first page says how many there are");
  const width = widthOf(call.io);
  const lines = [`${clean(reach.who.text)}${reach.who.consumers.length === 0 ? "" : ` (${consumersText(reach)})`}`, ""];
  lines.push(tokens.length === 0 ? "No token of theirs." : table(tokens, tokenColumns(call.now, names), width), "");
  lines.push(
    `Secrets that they could have seen: ${counts.works} in use, ${counts.dormant} whose key is suspended or expired, ${counts.replacing} being replaced, ${counts.done} refused for good.`,
  );
  if (secrets.items.length > 0) lines.push("", table(secrets.items, secretColumns(call.now, names), width));
  if (secrets.next !== null) lines.push("(there are more; raise --limit)");
  if (warnings.length > 0) lines.push("", ...warnings.map((warning) => `! ${warning}`));
  const again = `keyover offboard ${/^[\w.:@=-]+$/.test(asked) ? asked : `'${clean(asked)}'`}`;
  // With nothing in use and no token that works there is nothing that the command would do.
  if (counts.works + counts.dormant === 0 && tokens.every(({ works }) => !works))
    return [...lines, "", "Nothing is left to revoke or to replace."].join("\n");
  lines.push("", `Nothing was done. To revoke their tokens and replace what they could have seen:`);
  return [...lines, `  ${again} --yes --reason "…"`].join("\n");
}

function consumersText({ who }: Reach): string {
  const names = who.consumers.slice(0, 5).map(({ name }) => clean(name));
  return who.consumers.length > names.length
    ? `${names.join(", ")} and ${who.consumers.length - names.length} more`
    : names.join(", ");
}

function tokenColumns(now: number, names: Names): Column<Reach["tokens"][number]>[] {
  return [
    { title: "TOKEN", of: (token) => token.id },
    { title: "NAME", of: (token) => token.name, flexible: true },
    { title: "ROLE", of: (token) => token.role },
    { title: "WORKS", of: (token) => (token.works ? "yes" : "no") },
    { title: "THEIRS", of: (token) => (token.madeWith === null ? "yes" : `made with ${names.token(token.madeWith)}`) },
    { title: "CREATED", of: (token) => relative(token.createdAt, now) },
  ];
}

const STATES: Record<Secret["state"], string> = {
  works: "in use",
  dormant: "key refused for now",
  replacing: "being replaced",
  done: "refused",
};

function secretColumns(now: number, names: Names): Column<Secret>[] {
  return [
    { title: "KEY", of: (secret) => secret.key },
    { title: "OF", of: (secret) => keyName(names.consumer(secret.consumer), secret.name), flexible: true },
    { title: "API", of: (secret) => names.api(secret.api), flexible: true },
    { title: "VERSION", of: (secret) => String(secret.version) },
    { title: "STATE", of: (secret) => STATES[secret.state] },
    { title: "HOW", of: (secret) => secret.ways.join(", ") },
    {
      title: "THROUGH",
      of: (secret) => (secret.through === null ? null : names.token(secret.through)),
      flexible: true,
    },
    { title: "SINCE", of: (secret) => relative(secret.at, now) },
  ];
}

function offboardedText({ who, mode, revoked, left, campaign, keys }: Offboarded, names: Names): string {
  const lines = [`${clean(who)}: ${count(revoked.length, "token")} revoked.`];
  for (const { token, why } of left) lines.push(`  ${named(names.token(token), token)} still works: ${why}`);
  if (campaign === null) lines.push("No key was left to replace.");
  else
    lines.push(`${count(keys, "key")} by ${mode}, in ${campaign}. Follow it with: keyover campaign watch ${campaign}`);
  return lines.join("\n");
}
