/** `keyover verify`: what the authority says to a presented key. The key comes from where other users can't see it, never from argv. */
import type { Readable } from "node:stream";
import type { LimitState } from "@keyover/core";
import type { Command } from "commander";
import { calls, show } from "./command-group.ts";
import { askSecret } from "./confirm.ts";
import { named } from "./entity-tables.ts";
import { RefusedError, UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { namesOf } from "./names.ts";
import { present, several, whole } from "./options.ts";
import { fields, formatTime, moment, roughly } from "./render.ts";

interface VerifyOptions {
  api: string;
  environment?: string;
  scope?: string[];
  network?: string;
  client?: string;
  instance?: string;
  cost?: number;
}

/** What the call takes at most; more is no key. */
const TEXT_MAX = 20_000;

export function verifyCommand(program: Command, io: Io): void {
  const command = program
    .command("verify")
    .description("decide on a key: read from standard input, from KEYOVER_KEY, or asked for; exit 1 if it is not valid")
    .requiredOption("--api <api>", "name or handle")
    .option("--environment <name>", "the environment that it must belong to")
    .option("--scope <name>", "a scope that it must have; several times", several)
    .option("--network <address>", "the caller's address")
    .option("--client <name>", "the caller's program, for the record of its use")
    .option("--instance <name>", "the caller's instance, for the record of its use")
    .option("--cost <units>", "what it costs of the key's limits; 0: only ask; without it, 1", whole);
  calls<VerifyOptions>(
    command,
    io,
    [
      "keyover verify --api market --scope market:read < acme.key",
      "KEYOVER_KEY=… keyover verify --api market --network 203.0.113.7 --json",
      "keyover verify --api market --cost 0 < acme.key",
    ],
    async (call) => {
      const { api, environment, scope, network, client, instance, cost } = call.options;
      const key = await presentedKey(io);
      const body = { api, key, ...present({ environment, scope, network, client, instance, cost }) };
      const verdict = await call.api.request("post", "/v1/verify", { body });
      const names = await namesOf(call, verdict.consumer === undefined ? {} : { consumers: [verdict.consumer] });
      show(call, verdict, () =>
        fields(
          [
            ["valid", verdict.valid ? "yes" : "no"],
            ["code", verdict.code],
            ["key", verdict.key],
            ["version", verdict.version],
            [
              "consumer",
              verdict.consumer === undefined ? undefined : named(names.consumer(verdict.consumer), verdict.consumer),
            ],
            ["environment", verdict.environment],
            ["scopes", verdict.scopes?.join(", ")],
            [
              "rotation",
              verdict.rotation &&
                `${verdict.rotation.id}, ${verdict.rotation.phase}, version ${verdict.rotation.from} → ${verdict.rotation.to}`,
            ],
            [
              "accepted until",
              verdict.valid && verdict.rotation?.endsAt !== undefined
                ? moment(verdict.rotation.endsAt, call.now)
                : undefined,
            ],
            ...(verdict.limits ?? []).map((each): [string, string] => ["left", leftText(each)]),
            ["again in", verdict.retryAfterMs === undefined ? undefined : roughly(verdict.retryAfterMs)],
            ["retired", verdict.retiredAt === undefined ? undefined : formatTime(verdict.retiredAt)],
          ].filter(([, value]) => value !== undefined) as [string, string][],
        ),
      );
      if (!verdict.valid) throw new RefusedError(`the key is not valid: ${verdict.code}`);
    },
  );
}

function leftText({ limit, remaining, resetMs }: LimitState): string {
  const whole = limit.kind === "quota" ? "the period ends" : "whole again";
  return `${limit.name}: ${remaining} of ${limit.units}, ${whole} in ${roughly(resetMs)}`;
}

async function presentedKey(io: Io): Promise<string> {
  const given = io.env.KEYOVER_KEY ?? (io.isTty ? await askSecret(io, "The key") : await readAll(io.stdin));
  const key = given.trim();
  if (key === "") throw new UsageError("no key: give it on standard input or in KEYOVER_KEY");
  return key;
}

async function readAll(stdin: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > TEXT_MAX)
      throw new UsageError(`standard input holds more than ${TEXT_MAX} characters; that is no key`);
  }
  return text;
}
