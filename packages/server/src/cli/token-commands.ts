/** `keyover token …`: credentials for the authority itself. */
import { type Command, Option } from "commander";
import { roles } from "../store/entities.ts";
import { type Call, calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { consumerHandle } from "./consumer-commands.ts";
import { named, tokenColumns } from "./entity-tables.ts";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { namesOf } from "./names.ts";
import { type ListOptions, listOptions, newExpiryOf, present, several } from "./options.ts";
import { fields, moment } from "./render.ts";
import { keepSecret } from "./secret-file.ts";
import { shownOnce } from "./shown-once.ts";

interface CreateOptions {
  role: (typeof roles)[number];
  api?: string[];
  environment?: string[];
  consumer?: string;
  owner?: string;
  expires?: string;
  secretFile?: string;
}

export function tokenCommands(program: Command, io: Io): void {
  const group = program.command("token").description("credentials for the authority itself");
  const roleOption = (about: string) => new Option("--role <role>", about).choices(roles);

  const create = group
    .command("create")
    .argument("<name>")
    .description("make a token; it is shown this once")
    .addOption(roleOption("what it may do").makeOptionMandatory())
    .option("--api <api>", "verifier: an api that it follows, name or handle; several times", several)
    .option("--environment <name>", "verifier: an environment that it follows; several times (otherwise all)", several)
    .option("--consumer <consumer>", "consumer: whose keys, name or handle")
    .option("--owner <text>", "whose it is: a person's mail address, a team (keyover offboard)")
    .option("--expires <time>", "a time, a duration from now such as 90d, or never")
    .option("--secret-file <file>", "write the token there, mode 0600, instead of showing it");
  calls<CreateOptions, [string]>(
    create,
    io,
    [
      "keyover token create edge-1 --role verifier --api market",
      "keyover token create acme-bot --role consumer --consumer acme-bot --secret-file acme.token",
      "keyover token create deploys --role operator --owner ann@example.com --expires 90d",
    ],
    async (call, name) => {
      const { role, api, environment, owner, expires, secretFile } = call.options;
      refuseOdd(call.options);
      const consumer =
        call.options.consumer === undefined ? undefined : await consumerHandle(call, call.options.consumer);
      const body = {
        name,
        role,
        ...present({
          apis: api,
          environments: environment,
          consumer,
          owner,
          expiresAt: newExpiryOf(expires, call.now),
        }),
      };
      const answer = await keepSecret(io, secretFile, () => call.api.request("post", "/v1/tokens", { body }));
      const text = await tokenView(call, answer);
      show(call, answer, ({ secret }) => shownOnce(io, text, secret));
    },
  );

  const list = group
    .command("list")
    .description("list tokens")
    .addOption(roleOption("only of this role"))
    .option("--owner <text>", "only of this owner, in any case of letters")
    .option("--revoked", "only those that were revoked");
  calls<ListOptions & { role?: (typeof roles)[number]; owner?: string; revoked?: boolean }>(
    listOptions(list),
    io,
    ["keyover token list --role verifier", "keyover token list --owner ann@example.com"],
    async (call) => {
      const { role, owner, revoked, limit } = call.options;
      const filter = present({ role, owner, revoked: revoked ? ("true" as const) : undefined });
      const page = await everything(
        (query) => call.api.request("get", "/v1/tokens", { query: { ...query, ...filter } }),
        limit,
      );
      const names = await namesOf(call, {
        apis: page.items.flatMap(({ apis }) => apis),
        consumers: page.items.flatMap(({ consumer }) => consumer ?? []),
      });
      showList(call, page, tokenColumns(call.now, names), "No token matches.");
    },
  );

  const update = group
    .command("update")
    .argument("<token>", "handle, tok_…")
    .description("say whose a token is")
    .option("--owner <text>", "a person's mail address, a team")
    .option("--no-owner", "nobody's");
  calls<{ owner?: string | boolean }, [string]>(
    update,
    io,
    ["keyover token update tok_… --owner ann@example.com"],
    async (call, token) => {
      const { owner } = call.options;
      if (owner === undefined || owner === true) throw new UsageError("nothing to change: give --owner or --no-owner");
      const body = { owner: owner === false ? null : owner };
      const answer = await call.api.request("patch", "/v1/tokens/{token}", { params: { token }, body });
      const text = await tokenView(call, answer);
      show(call, answer, () => text);
    },
  );

  const revoke = group
    .command("revoke")
    .argument("<token>", "handle, tok_…")
    .description("refuse a token for good")
    .option("--yes", "do not ask");
  calls<{ yes?: boolean }, [string]>(revoke, io, ["keyover token revoke tok_…"], async (call, token) => {
    await confirmOrStop(
      io,
      call.options.yes,
      `${token} will be refused for good; a verifier or consumer that uses it is cut off.`,
    );
    const answer = await call.api.request("post", "/v1/tokens/{token}/revoke", { params: { token }, body: {} });
    const text = await tokenView(call, answer);
    show(call, answer, () => text);
  });
}

function refuseOdd({ role, api, environment, consumer }: CreateOptions): void {
  if (role === "consumer" && consumer === undefined)
    throw new UsageError("--role consumer needs --consumer: whose keys");
  if (role === "verifier" && api === undefined) throw new UsageError("--role verifier needs --api: what it follows");
  if (role !== "consumer" && consumer !== undefined) throw new UsageError("--consumer goes with --role consumer");
  if (role !== "verifier" && (api ?? environment) !== undefined)
    throw new UsageError("--api and --environment go with --role verifier");
}

type Shown = Parameters<ReturnType<typeof tokenColumns>[number]["of"]>[0];

async function tokenView(call: Call<object>, token: Shown): Promise<string> {
  const { now } = call;
  const names = await namesOf(call, { apis: token.apis, consumers: token.consumer === null ? [] : [token.consumer] });
  return fields([
    ["handle", token.id],
    ["name", token.name],
    ["role", token.role],
    ["apis", token.role === "verifier" ? token.apis.map((id) => named(names.api(id), id)).join(", ") : null],
    [
      "environments",
      token.role === "verifier" ? (token.environments.length === 0 ? "all" : token.environments.join(", ")) : null,
    ],
    ["consumer", token.consumer === null ? null : named(names.consumer(token.consumer), token.consumer)],
    ["owner", token.owner],
    ["expires", token.expiresAt === null ? "never" : moment(token.expiresAt, now)],
    ["revoked", token.revokedAt === null ? "no" : moment(token.revokedAt, now)],
    ["created", `${moment(token.createdAt, now)} by ${token.createdBy}`],
  ]);
}
