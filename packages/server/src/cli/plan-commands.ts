/** `keyover plan …`: what limits keys have. */
import type { AnswerOf, paths } from "@keyover/client/api";
import type { Command } from "commander";
import { calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { limitsOf, limitText, QUOTA_FORM, RATE_FORM } from "./limit-words.ts";
import { type ListOptions, listOptions, present, refuseEmpty, several } from "./options.ts";
import { type Column, count, fields, moment } from "./render.ts";

type PlanRow = AnswerOf<paths["/v1/apis/{api}/plans/{plan}"]["get"]>;

interface ApiOption {
  api: string;
}

interface LimitOptions extends ApiOption {
  rate?: string[];
  quota?: string[];
}

const PLAN = "name in the api, or handle";
const KEYS_COUNTED_MAX = 10_000;

export function planCommands(program: Command, io: Io): void {
  const group = program
    .command("plan")
    .description("limits of use: how often keys may be used, and how much in a day or month")
    .addHelpText(
      "after",
      `
A limit has a name of its own in its plan. A rate is units in each window, and how many of them at once (burst;
otherwise as many as the units). A quota is units in a day or a calendar month of a time zone (otherwise UTC).
A limit counts the uses of one key, or, with "per consumer", those of all keys of the consumer in the api:
  --rate "sustained=100/1s burst 200"    --quota "monthly=1000000/month Europe/Zurich per consumer"`,
    );
  createPlan(group, io);
  readPlans(group, io);
  updatePlan(group, io);
  removePlan(group, io);
}

function ofApi(command: Command): Command {
  return command.requiredOption("--api <api>", "name or handle");
}

function limitOptions(command: Command, more = ""): Command {
  return ofApi(command)
    .option("--rate <limit>", `${RATE_FORM}${more}; several times`, several)
    .option("--quota <limit>", `${QUOTA_FORM}${more}; several times`, several);
}

function createPlan(group: Command, io: Io): void {
  const create = group.command("create").argument("<name>").description("make a plan; without a limit it has none");
  calls<LimitOptions, [string]>(
    limitOptions(create),
    io,
    [
      'keyover plan create pro --api market --rate "sustained=100/1s burst 200" --quota "monthly=1000000/month Europe/Zurich"',
      'keyover plan create free --api market --rate "sustained=5/1s" --quota "daily=1000/day per consumer"',
    ],
    async (call, name) => {
      const { api, rate, quota } = call.options;
      const body = { name, limits: limitsOf(rate, quota) ?? [] };
      const plan = await call.api.request("post", "/v1/apis/{api}/plans", { params: { api }, body });
      show(call, plan, () => planText(plan, call.now));
    },
  );
}

function readPlans(group: Command, io: Io): void {
  const list = ofApi(listOptions(group.command("list").description("list the plans of an api")));
  calls<ListOptions & ApiOption>(list, io, ["keyover plan list --api market"], async (call) => {
    const { api, limit } = call.options;
    const page = await everything(
      (query) => call.api.request("get", "/v1/apis/{api}/plans", { params: { api }, query }),
      limit,
    );
    showList(call, page, columns, "The api has no plan yet. Make one with: keyover plan create");
  });

  const one = ofApi(group.command("show").argument("<plan>", PLAN).description("show a plan"));
  calls<ApiOption, [string]>(one, io, ["keyover plan show pro --api market"], async (call, plan) => {
    const { api } = call.options;
    const answer = await call.api.request("get", "/v1/apis/{api}/plans/{plan}", { params: { api, plan } });
    show(call, answer, () => planText(answer, call.now));
  });
}

function updatePlan(group: Command, io: Io): void {
  const update = group
    .command("update")
    .argument("<plan>", PLAN)
    .description("change a plan's name or limits; every verifier follows at once")
    .option("--name <name>", "another name")
    .option("--clear-limits", "leave no limit");
  calls<LimitOptions & { name?: string; clearLimits?: boolean }, [string]>(
    limitOptions(update, "; takes the place of all limits"),
    io,
    ['keyover plan update pro --api market --rate "sustained=200/1s burst 400" --quota "monthly=2000000/month"'],
    async (call, plan) => {
      const { api, rate, quota, name, clearLimits } = call.options;
      const limits = limitsOf(rate, quota);
      if (clearLimits && limits !== undefined)
        throw new UsageError("--clear-limits goes with neither --rate nor --quota");
      const body = present({ name, limits: clearLimits ? [] : limits });
      refuseEmpty(body);
      const answer = await call.api.request("patch", "/v1/apis/{api}/plans/{plan}", { params: { api, plan }, body });
      show(call, answer, () => planText(answer, call.now));
    },
  );
}

function removePlan(group: Command, io: Io): void {
  const remove = ofApi(group.command("remove").argument("<plan>", PLAN))
    .description("remove a plan that no key has")
    .option("--yes", "do not ask");
  calls<ApiOption & { yes?: boolean }, [string]>(
    remove,
    io,
    ["keyover plan remove trial --api market"],
    async (call, plan) => {
      const { api, yes } = call.options;
      await confirmOrStop(io, yes, `The plan ${plan} of ${api} will be gone for good.`);
      const gone = await call.api.request("delete", "/v1/apis/{api}/plans/{plan}", { params: { api, plan } });
      show(call, gone, () => `The plan ${gone.name} is removed.`);
    },
  );
}

const columns: Column<PlanRow>[] = [
  { title: "HANDLE", of: (plan) => plan.id },
  { title: "NAME", of: (plan) => plan.name, flexible: true },
  {
    title: "LIMITS",
    of: (plan) => (plan.limits.length === 0 ? "none" : plan.limits.map(limitText).join("; ")),
    flexible: true,
  },
  { title: "KEYS", of: keysText, right: true },
  { title: "DEFAULT", of: (plan) => (plan.isDefault ? "yes" : null) },
];

function keysText({ keys }: PlanRow): string {
  return keys < KEYS_COUNTED_MAX ? String(keys) : `${KEYS_COUNTED_MAX} or more`;
}

function planText(plan: PlanRow, now: number): string {
  const limits = plan.limits.map((limit): [string, string] => [limit.kind, limitText(limit)]);
  return fields([
    ["handle", plan.id],
    ["name", plan.name],
    ["default", plan.isDefault ? "yes: keys without a plan of their own have it" : null],
    ...(limits.length === 0 ? ([["limits", "none"]] as [string, string][]) : limits),
    ["has it", plan.keys < KEYS_COUNTED_MAX ? count(plan.keys, "key") : `${keysText(plan)} keys`],
    ["changed", `${moment(plan.changedAt, now)} by ${plan.changedBy}`],
    ["created", `${moment(plan.createdAt, now)} by ${plan.createdBy}`],
  ]);
}
