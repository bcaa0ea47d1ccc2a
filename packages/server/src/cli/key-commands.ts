/** `keyover key …`: issue, look at, change, rotate. What refuses a key stands in key-refusals.ts. */
import { type Command, Option } from "commander";
import { calls, nothing, refuseUnknownApi, show, showList } from "./command-group.ts";
import { everything } from "./connection.ts";
import { consumerHandle } from "./consumer-commands.ts";
import { fencesText, keyColumns, versionColumns } from "./entity-tables.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, widthOf } from "./io.ts";
import { keyRefusals } from "./key-refusals.ts";
import { keyUsage } from "./key-usage.ts";
import { namesOf } from "./names.ts";
import {
  duration,
  expiryOf,
  type ListOptions,
  labelOption,
  labelsOf,
  listOptions,
  newExpiryOf,
  type PolicyOptions,
  policyOf,
  policyOptions,
  present,
  refuseEmpty,
  several,
  timeOf,
} from "./options.ts";
import { clean, table } from "./render.ts";
import { keepSecret } from "./secret-file.ts";
import { keyView, rotationView, showKey } from "./show-entity.ts";
import { shownOnce } from "./shown-once.ts";

interface CreateOptions extends PolicyOptions {
  api: string;
  environment: string;
  consumer: string;
  scope: string[];
  name?: string;
  network?: string[];
  networkMode?: "enforce" | "report";
  plan?: string;
  label?: string[];
  notes?: string;
  expires?: string;
  sha256?: string;
  secretFile?: string;
}

interface UpdateOptions extends PolicyOptions {
  name?: string;
  scope?: string[];
  widen?: boolean;
  network?: string[];
  networkMode?: "enforce" | "report";
  anyNetwork?: boolean;
  plan?: string;
  defaultPlan?: boolean;
  label?: string[];
  clearLabels?: boolean;
  notes?: string;
  expires?: string;
}

interface FilterOptions extends ListOptions {
  api?: string;
  environment?: string;
  consumer?: string;
  name?: string;
  status?: "active" | "suspended" | "revoked";
  label?: string[];
  expiresWithin?: number;
}

interface RotateOptions extends PolicyOptions {
  reason?: string;
  starts?: string;
  scope?: string[];
  sha256?: string;
}

const NETWORK = "accepted from here alone; several times; with ! before it, not from there";
const NETWORK_MODE = "enforce, or report: let through what comes from elsewhere, and say so";
const EXPIRES = "a time, a duration from now such as 90d, or never";
const PLAN = "the plan whose limits it has: its name in the api, or its handle";
const KEY = "handle, key_…";

export function keyCommands(program: Command, io: Io): void {
  const group = program.command("key").description("the credentials of consumers");
  createKey(group, io);
  readKeys(group, io);
  updateKey(group, io);
  rotateKey(group, io);
  keyRefusals(group, io);
}

function createKey(group: Command, io: Io): void {
  const create = group
    .command("create")
    .description("issue a key; its secret is shown this once")
    .requiredOption("--api <api>", "name or handle")
    .requiredOption("--environment <name>", "such as live or test")
    .requiredOption("--consumer <consumer>", "name or handle")
    .requiredOption("--scope <name>", "what it may do; several times", several)
    .option("--name <name>", "tells a consumer's keys apart (otherwise default)")
    .option("--network <cidr>", NETWORK, several)
    .option("--network-mode <mode>", NETWORK_MODE)
    .option("--plan <plan>", `${PLAN} (otherwise the api's default)`)
    .option("--notes <text>", "for people")
    .option("--expires <time>", EXPIRES)
    .option("--sha256 <hash>", "the consumer made the secret itself: its SHA-256, base64url")
    .option("--secret-file <file>", "write the secret there, mode 0600, instead of showing it");
  calls<CreateOptions>(
    policyOptions(labelOption(create)),
    io,
    [
      "keyover key create --api market --environment live --consumer acme-bot --scope market:read",
      "keyover key create --api market --environment live --consumer acme-bot --scope market:read --expires 90d --secret-file acme.key",
    ],
    async (call) => {
      const { api, environment, scope, name, network, networkMode, plan, label, notes, expires, sha256, secretFile } =
        call.options;
      const optional = {
        name,
        networks: network,
        networksMode: networkMode,
        plan,
        labels: labelsOf(label),
        notes,
        sha256,
        expiresAt: newExpiryOf(expires, call.now),
        policy: policyOf(call.options),
      };
      const consumer = await consumerHandle(call, call.options.consumer);
      const body = { api, environment, consumer, scopes: scope, ...present(optional) };
      const answer = await keepSecret(io, secretFile, () => call.api.request("post", "/v1/keys", { body }));
      const text = await keyView(call, answer);
      show(call, answer, ({ secret }) => shownOnce(io, text, secret));
    },
  );
}

function readKeys(group: Command, io: Io): void {
  const list = group
    .command("list")
    .description("list keys")
    .option("--api <api>", "name or handle")
    .option("--environment <name>", "such as live or test")
    .option("--consumer <consumer>", "name or handle")
    .option("--name <name>", "what tells a consumer's keys apart")
    .addOption(new Option("--status <status>", "only of this status").choices(["active", "suspended", "revoked"]))
    .option("--expires-within <duration>", "expires before then, or has expired", duration);
  labelOption(listOptions(list), "only with this label; several must all hold");
  calls<FilterOptions>(
    list,
    io,
    ["keyover key list --consumer acme-bot", "keyover key list --api market --expires-within 14d --json"],
    async (call) => {
      const { api, environment, name, status, label, limit, expiresWithin } = call.options;
      labelsOf(label);
      const consumer =
        call.options.consumer === undefined ? undefined : await consumerHandle(call, call.options.consumer);
      const expiresUntil = expiresWithin === undefined ? undefined : call.now + expiresWithin;
      const filter = present({ api, environment, consumer, name, status, label, expiresUntil });
      const page = await everything(
        (query) => call.api.request("get", "/v1/keys", { query: { ...query, ...filter } }),
        limit,
      );
      const names = await namesOf(call, {
        apis: page.items.map((key) => key.api),
        consumers: page.items.map((key) => key.consumer),
      });
      await refuseUnknownApi(call, page, api);
      showList(call, page, keyColumns(call.now, names), nothing("key", { ...filter, limit }, "keyover key create"));
    },
  );

  calls<object, [string]>(
    group.command("show").argument("<key>", KEY).description("show a key and its versions"),
    io,
    ["keyover key show key_…"],
    async (call, key) => {
      const answer = await call.api.request("get", "/v1/keys/{key}", { params: { key } });
      const text = await keyView(call, answer);
      show(call, answer, () => {
        const versions = table(answer.versions, versionColumns(call.now), widthOf(io));
        return [text, versions, fencesText(answer)].filter((part) => part !== "").join("\n\n");
      });
    },
  );

  keyUsage(group, io);
}

function updateKey(group: Command, io: Io): void {
  const update = group
    .command("update")
    .argument("<key>", KEY)
    .description("change a key's description, scopes, networks, plan, policy, expiry")
    .option("--name <name>", "what tells a consumer's keys apart")
    .option("--scope <name>", "takes the place of all scopes; several times", several)
    .option("--widen", "the new scopes may go beyond the old")
    .option("--network <cidr>", "takes the place of all networks; several times; with ! before it, denied", several)
    .option("--network-mode <mode>", NETWORK_MODE)
    .option("--any-network", "accepted from everywhere")
    .option("--plan <plan>", PLAN)
    .option("--default-plan", "no plan of its own: it has its api's default")
    .option("--clear-labels", "leave no label")
    .option("--notes <text>", "for people")
    .option("--expires <time>", EXPIRES);
  labelOption(policyOptions(update), "takes the place of all labels; several times");
  calls<UpdateOptions, [string]>(
    update,
    io,
    [
      "keyover key update key_… --scope market:read --network 203.0.113.0/24",
      "keyover key update key_… --expires never",
    ],
    async (call, key) => {
      const { name, scope, widen, network, networkMode, anyNetwork, label, clearLabels, notes, expires } = call.options;
      const { plan, defaultPlan } = call.options;
      if (defaultPlan && plan !== undefined) throw new UsageError("--plan and --default-plan exclude each other");
      if (anyNetwork && network !== undefined) throw new UsageError("--network and --any-network exclude each other");
      if (clearLabels && label !== undefined) throw new UsageError("--label and --clear-labels exclude each other");
      const body = present({
        name,
        scopes: scope,
        widen,
        networks: anyNetwork ? [] : network,
        networksMode: networkMode,
        plan: defaultPlan ? null : plan,
        labels: clearLabels ? {} : labelsOf(label),
        notes,
        policy: policyOf(call.options),
        expiresAt: expiryOf(expires, call.now),
      });
      refuseEmpty(body);
      await showKey(call, await call.api.request("patch", "/v1/keys/{key}", { params: { key }, body }));
    },
  );
}

function rotateKey(group: Command, io: Io): void {
  const rotate = group
    .command("rotate")
    .argument("<key>", KEY)
    .description("start a rotation; the old version goes on working until nobody needs it")
    .option("--reason <text>", "for the audit log (otherwise routine)")
    .option("--starts <time>", "later: a time, or a duration from now")
    .option("--scope <name>", "narrower scopes for the successor; several times", several)
    .option("--sha256 <hash>", "the consumer made the successor itself: its SHA-256, base64url");
  calls<RotateOptions, [string]>(
    policyOptions(rotate),
    io,
    [
      "keyover key rotate key_…",
      'keyover key rotate key_… --overlap 7d --starts "2027-01-31 09:00" --reason "yearly change"',
    ],
    async (call, key) => {
      const { reason, starts, scope, sha256 } = call.options;
      const startsAt = starts === undefined ? undefined : timeOf(starts, call.now, "--starts");
      const body = present({ reason, startsAt, scopes: scope, sha256, policy: policyOf(call.options) });
      const answer = await call.api.request("post", "/v1/keys/{key}/rotations", { params: { key }, body });
      const { warnings } = await call.api.request("get", "/v1/keys/{key}/policy", { params: { key } });
      const more = warnings.map((text) => `warning: ${clean(text)}\n`).join("");
      const text = await rotationView(call, answer);
      show(call, answer, () => `${text}\n\n${more}Follow it with: keyover watch ${answer.id}`);
    },
  );
}
