/** `keyover consumer …`: who holds keys. A consumer may be named by its handle or by its name. */
import type { Command } from "commander";
import { type Call, calls, nothing, show, showList } from "./command-group.ts";
import { everything } from "./connection.ts";
import { consumerColumns, consumerText } from "./entity-tables.ts";
import { RefusedError, UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { type ListOptions, labelOption, labelsOf, listOptions, present, refuseEmpty, several } from "./options.ts";

interface CreateOptions {
  network?: string[];
  label?: string[];
  notes?: string;
}

interface UpdateOptions extends CreateOptions {
  name?: string;
}

export function consumerCommands(program: Command, io: Io): void {
  const group = program.command("consumer").description("who holds keys: a bot, an app, a partner");

  const create = labelOption(
    group
      .command("create")
      .argument("<name>")
      .description("register a consumer")
      .option(
        "--network <cidr>",
        "its keys are accepted from here alone; several times; with ! before it, denied",
        several,
      )
      .option("--notes <text>", "for people"),
  );
  calls<CreateOptions, [string]>(
    create,
    io,
    ["keyover consumer create acme-bot --label team=desk --label region=eu"],
    async (call, name) => {
      const { label, notes, network } = call.options;
      const body = { name, ...present({ labels: labelsOf(label), notes, networks: network }) };
      show(call, await call.api.request("post", "/v1/consumers", { body }), (answer) => consumerText(answer, call.now));
    },
  );

  const list = labelOption(
    listOptions(group.command("list").description("list consumers")),
    "only with this label; several must all hold",
  );
  calls<ListOptions & CreateOptions>(list, io, ["keyover consumer list --label team=desk"], async (call) => {
    labelsOf(call.options.label);
    const filter = present({ label: call.options.label });
    const page = await everything(
      (query) => call.api.request("get", "/v1/consumers", { query: { ...query, ...filter } }),
      call.options.limit,
    );
    showList(call, page, consumerColumns(call.now), nothing("consumer", filter, "keyover consumer create"));
  });

  calls<object, [string]>(
    group.command("show").argument("<consumer>", "name or handle").description("show a consumer"),
    io,
    ["keyover consumer show acme-bot"],
    async (call, named) => {
      const consumer = await consumerHandle(call, named);
      show(call, await call.api.request("get", "/v1/consumers/{consumer}", { params: { consumer } }), (answer) =>
        consumerText(answer, call.now),
      );
    },
  );

  const update = group
    .command("update")
    .argument("<consumer>", "name or handle")
    .description("change a consumer's name, labels, notes, networks")
    .option("--name <name>", "the new name")
    .option(
      "--network <cidr>",
      "takes the place of all networks of its keys, besides their own; several times",
      several,
    )
    .option("--any-network", "its keys are accepted from everywhere that they allow themselves")
    .option("--notes <text>", "for people");
  labelOption(update, "takes the place of all labels; several times").option("--clear-labels", "leave no label");
  calls<UpdateOptions & { clearLabels?: boolean; anyNetwork?: boolean }, [string]>(
    update,
    io,
    ["keyover consumer update acme-bot --label team=desk --notes 'on call: desk'"],
    async (call, named) => {
      const { name, notes, network, anyNetwork, label, clearLabels } = call.options;
      if (anyNetwork && network !== undefined) throw new UsageError("--network and --any-network exclude each other");
      if (clearLabels && label !== undefined) throw new UsageError("--label and --clear-labels exclude each other");
      const networks = anyNetwork ? [] : network;
      const body = present({ name, notes, networks, labels: clearLabels ? {} : labelsOf(label) });
      refuseEmpty(body);
      const consumer = await consumerHandle(call, named);
      show(
        call,
        await call.api.request("patch", "/v1/consumers/{consumer}", { params: { consumer }, body }),
        (answer) => consumerText(answer, call.now),
      );
    },
  );
}

/** The handle of a consumer that was given by handle or by name. */
export async function consumerHandle(call: Call<object>, named: string): Promise<string> {
  if (/^con_[0-9A-Za-z]{22}$/.test(named)) return named;
  const { items } = await call.api.request("get", "/v1/consumers", { query: { name: named, limit: 1 } });
  const [found] = items;
  if (found === undefined) throw new RefusedError(`there is no consumer ${named}; keyover consumer list shows all`);
  return found.id;
}
