/** `keyover api …`: what is protected, and who verifies for it. */
import type { Command } from "commander";
import { type Call, calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { apiColumns, apiText, type VerifiersAnswer, verifierColumns } from "./entity-tables.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, say, sayJson, widthOf } from "./io.ts";
import {
  type ListOptions,
  listOptions,
  type PolicyOptions,
  policyOf,
  policyOptions,
  present,
  refuseEmpty,
  type StalenessOptions,
  several,
  stalenessOf,
  stalenessOptions,
} from "./options.ts";
import { relative, table } from "./render.ts";

interface CreateOptions extends PolicyOptions, StalenessOptions {
  prefix: string;
  scope: string[];
  environment?: string[];
}

interface UpdateOptions extends PolicyOptions, StalenessOptions {
  addScope?: string[];
  addEnvironment?: string[];
  defaultPlan?: string;
  clearDefaultPlan?: boolean;
}

export function apiCommands(program: Command, io: Io): void {
  const group = program.command("api").description("what is protected: key prefix, environments, scopes, policies");

  const create = group
    .command("create")
    .argument("<name>")
    .description("protect an api")
    .requiredOption("--prefix <text>", "prefix of its keys: 2 to 10 lowercase letters and digits")
    .requiredOption("--scope <name>", "a scope that its keys may have; several times", several)
    .option("--environment <name>", "an environment; several times (otherwise live and test)", several);
  calls<CreateOptions, [string]>(
    stalenessOptions(policyOptions(create)),
    io,
    [
      "keyover api create market --prefix mkt --scope market:read --scope trade:write",
      "keyover api create market --prefix mkt --scope market:read --overlap 7d --quiet 36h",
    ],
    async (call, name) => {
      const { prefix, scope, environment } = call.options;
      const body = {
        name,
        prefix,
        scopes: scope,
        ...present({ environments: environment, policy: policyOf(call.options), staleness: stalenessOf(call.options) }),
      };
      show(call, await call.api.request("post", "/v1/apis", { body }), (api) => apiText(api, call.now));
    },
  );

  const list = listOptions(group.command("list").description("list apis"));
  calls<ListOptions>(list, io, ["keyover api list"], async (call) => {
    const page = await everything((query) => call.api.request("get", "/v1/apis", { query }), call.options.limit);
    showList(call, page, apiColumns, "There is no api yet. Protect one with: keyover api create");
  });

  calls<object, [string]>(
    group.command("show").argument("<api>", "name or handle").description("show an api"),
    io,
    ["keyover api show market"],
    async (call, api) =>
      show(call, await call.api.request("get", "/v1/apis/{api}", { params: { api } }), (answer) =>
        apiText(answer, call.now),
      ),
  );

  const update = group
    .command("update")
    .argument("<api>", "name or handle")
    .description("add environments and scopes, change policies and the default plan")
    .option("--add-scope <name>", "several times", several)
    .option("--add-environment <name>", "several times", several)
    .option("--default-plan <plan>", "of keys without a plan of their own: name or handle")
    .option("--clear-default-plan", "keys without a plan of their own have no limits");
  calls<UpdateOptions, [string]>(
    stalenessOptions(policyOptions(update)),
    io,
    [
      "keyover api update market --add-scope account:withdraw --overlap 21d",
      "keyover api update market --default-plan free",
    ],
    async (call, api) => {
      const { addScope, addEnvironment, defaultPlan, clearDefaultPlan } = call.options;
      if (clearDefaultPlan && defaultPlan !== undefined)
        throw new UsageError("--default-plan and --clear-default-plan exclude each other");
      const body = present({
        defaultPlan: clearDefaultPlan ? null : defaultPlan,
        addScopes: addScope,
        addEnvironments: addEnvironment,
        policy: policyOf(call.options),
        staleness: stalenessOf(call.options),
      });
      refuseEmpty(body);
      show(call, await call.api.request("patch", "/v1/apis/{api}", { params: { api }, body }), (answer) =>
        apiText(answer, call.now),
      );
    },
  );

  verifierCommands(group, io);
}

function verifierCommands(group: Command, io: Io): void {
  const verifiers = group
    .command("verifiers")
    .argument("<api>", "name or handle")
    .description("the verifiers of an api, and how far they are")
    .option("--all", "also those that were closed, replaced or removed");
  calls<{ all?: boolean }, [string]>(
    verifiers,
    io,
    ["keyover api verifiers market", "keyover api verifiers market --all --json"],
    async (call, api) => {
      const answer = await call.api.request("get", "/v1/apis/{api}/verifiers", { params: { api } });
      if (call.options.json) sayJson(io, answer);
      else say(io, verifiersText(answer, call));
    },
  );

  const remove = group
    .command("remove-verifier")
    .argument("<api>", "name or handle")
    .argument("<boot>", "boo_…, as `keyover api verifiers` lists it")
    .description("say that a verifier is gone for good: nothing waits for it any more")
    .option("--yes", "do not ask");
  calls<{ yes?: boolean }, [string, string]>(
    remove,
    io,
    ["keyover api remove-verifier market boo_…"],
    async (call, api, boot) => {
      await confirmOrStop(
        io,
        call.options.yes,
        `Rotations and revocations of ${api} will no longer wait for ${boot}. If it still answers requests, it may refuse new keys or accept old ones until it registers anew.`,
      );
      await call.api.request("delete", "/v1/apis/{api}/verifiers/{boot}", { params: { api, boot } });
      if (call.options.json) sayJson(io, null);
      else say(io, `${boot} is removed.`);
    },
  );
}

function verifiersText(answer: VerifiersAnswer, call: Call<{ all?: boolean }>): string {
  const { now, io } = call;
  const shown = call.options.all
    ? answer.items
    : answer.items.filter(({ state }) => state === "live" || state === "lost");
  const hidden = answer.items.length - shown.length;
  const more = hidden === 0 ? "" : `\n(${hidden} closed, replaced or removed; --all shows them)`;
  if (shown.length === 0) return `No verifier runs.${more}`;
  return `${table(shown, verifierColumns(answer, now), widthOf(io))}\n\nThe feed is at ${answer.head}; reports are whole up to ${relative(answer.watermark, now)}.${more}`;
}
