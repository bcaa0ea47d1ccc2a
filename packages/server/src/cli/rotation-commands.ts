/** `keyover rotation …`: look at a changeover and steer it. */
import { phases, policyLimits, ruleLimits } from "@keyover/core";
import { type Command, Option } from "commander";
import { claimCommand } from "./claim-command.ts";
import { type Call, calls, refuseUnknownApi, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { rotationColumns } from "./entity-tables.ts";
import { evidenceText } from "./evidence-text.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, widthOf } from "./io.ts";
import { namesOf } from "./names.ts";
import { duration, type ListOptions, listOptions, present, timeOf } from "./options.ts";
import { receipt } from "./receipt.ts";
import { formatDuration } from "./render.ts";
import { showRotation } from "./show-entity.ts";

interface FilterOptions extends ListOptions {
  key?: string;
  api?: string;
  phase?: (typeof phases)[number];
  running?: boolean;
  ended?: boolean;
}

interface DeadlineOptions {
  by?: number;
  until?: string;
  own?: boolean;
}

interface ReasonOptions {
  reason: string;
  yes?: boolean;
}

interface BrownoutOptions extends ReasonOptions {
  for: number;
}

const ROTATION = "handle, rot_…";

export function rotationCommands(program: Command, io: Io): void {
  const group = program
    .command("rotation")
    .description("changes from one version of a key to the next (start one with: keyover key rotate)");
  readRotations(group, io);
  deadlineCommand(group, io, "extend");
  deadlineCommand(group, io, "shorten");
  steer(group, io);
  claimCommand(group, io);
}

function readRotations(group: Command, io: Io): void {
  const list = group
    .command("list")
    .description("list rotations")
    .option("--key <key>", "handle, key_…")
    .option("--api <api>", "name or handle")
    .addOption(new Option("--phase <phase>", "only in this phase").choices(phases))
    .addOption(new Option("--running", "that have not ended").conflicts("ended"))
    .option("--ended", "that have ended");
  calls<FilterOptions>(
    listOptions(list),
    io,
    ["keyover rotation list --running", "keyover rotation list --key key_… --json"],
    async (call) => {
      const { key, api, phase, running, ended, limit } = call.options;
      const over = running ? ("false" as const) : ended ? ("true" as const) : undefined;
      const filter = present({ key, api, phase, ended: over });
      const page = await everything(
        (query) => call.api.request("get", "/v1/rotations", { query: { ...query, ...filter } }),
        limit,
      );
      const names = await namesOf(call, { keys: page.items.map((each) => each.key) });
      await refuseUnknownApi(call, page, api);
      showList(call, page, rotationColumns(call.now, names), "No rotation matches.");
    },
  );

  calls<object, [string]>(
    group.command("show").argument("<rotation>", ROTATION).description("show a rotation"),
    io,
    ["keyover rotation show rot_…"],
    async (call, rotation) =>
      showRotation(call, await call.api.request("get", "/v1/rotations/{rotation}", { params: { rotation } })),
  );

  calls<object, [string]>(
    group.command("evidence").argument("<rotation>", ROTATION).description("what the next step waits for, in numbers"),
    io,
    ["keyover rotation evidence rot_…"],
    async (call, rotation) =>
      show(
        call,
        await call.api.request("get", "/v1/rotations/{rotation}/evidence", { params: { rotation } }),
        (answer) => evidenceText(answer, widthOf(io)),
      ),
  );
}

function deadlineCommand(group: Command, io: Io, direction: "extend" | "shorten"): void {
  const command = group
    .command(direction)
    .argument("<rotation>", ROTATION)
    .description(
      direction === "extend"
        ? "move the deadline of the overlap to later"
        : "move the deadline of the overlap to sooner",
    )
    .option("--by <duration>", direction === "extend" ? "later by this much" : "sooner by this much", duration)
    .option("--until <time>", "to this time");
  if (direction === "extend")
    command.option("--own", "as the consumer itself, with its token: within what the policy allows; takes --by");
  calls<DeadlineOptions, [string]>(
    command,
    io,
    [`keyover rotation ${direction} rot_… --by 2d`],
    async (call, rotation) => {
      const { by, until, own } = call.options;
      if (own) return extendOwn(call, rotation, by, until);
      if ((by === undefined) === (until === undefined)) throw new UsageError("give --by or --until, and not both");
      if (by !== undefined && (by === 0 || by > policyLimits.overlapMs.max))
        throw new UsageError(`--by takes more than nothing, and 366d at most; got ${formatDuration(by)}`);
      const body =
        by === undefined
          ? { overlapEndsAt: await checkedEnd(call, rotation, until as string, direction) }
          : { byMs: direction === "extend" ? by : -by };
      await showRotation(
        call,
        await call.api.request("post", "/v1/rotations/{rotation}/deadline", { params: { rotation }, body }),
      );
    },
  );
}

async function extendOwn(
  call: Call<object>,
  rotation: string,
  byMs: number | undefined,
  until: string | undefined,
): Promise<void> {
  if (byMs === undefined || until !== undefined) throw new UsageError("--own takes --by");
  const answer = await call.api.request("post", "/v1/rotations/{rotation}/extend", {
    params: { rotation },
    body: { byMs },
  });
  await showRotation(call, answer);
}

/** `extend --until` a time before the deadline would shorten it: that is a slip, not a wish. */
async function checkedEnd(
  call: Call<object>,
  rotation: string,
  until: string,
  direction: "extend" | "shorten",
): Promise<number> {
  const end = timeOf(until, call.now, "--until");
  const { overlapEndsAt } = await call.api.request("get", "/v1/rotations/{rotation}", { params: { rotation } });
  if (overlapEndsAt !== null && (direction === "extend" ? end < overlapEndsAt : end > overlapEndsAt)) {
    const other = direction === "extend" ? "shorten" : "extend";
    throw new UsageError(
      `that is ${direction === "extend" ? "before" : "after"} the deadline as it stands; to ${other} the overlap say: keyover rotation ${other}`,
    );
  }
  return end;
}

function steer(group: Command, io: Io): void {
  const reasoned = (name: string, about: string) =>
    group
      .command(name)
      .argument("<rotation>", ROTATION)
      .description(about)
      .requiredOption("--reason <text>", "for the audit log: why");

  const retire = reasoned("retire", "retire the old version by force, without waiting for the evidence").option(
    "--yes",
    "do not ask",
  );
  calls<ReasonOptions, [string]>(
    retire,
    io,
    ['keyover rotation retire rot_… --reason "the last source is a machine that is gone"'],
    async (call, rotation) => {
      if (!call.options.yes) await confirmOrStop(io, false, await consequenceOfRetiring(call, rotation));
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/retire", {
        params: { rotation },
        body: { reason: call.options.reason },
      });
      await showRotation(call, answer);
      await receipt(call, answer.api);
    },
  );

  calls<ReasonOptions, [string]>(
    reasoned("rollback", "make the old version current again"),
    io,
    ['keyover rotation rollback rot_… --reason "the new release fails"'],
    async (call, rotation) => {
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/rollback", {
        params: { rotation },
        body: { reason: call.options.reason },
      });
      await showRotation(call, answer);
    },
  );

  calls<ReasonOptions, [string]>(
    reasoned("pause", "hold a rotation where it is, until it is resumed"),
    io,
    ['keyover rotation pause rot_… --reason "the consumer is looking into errors"'],
    async (call, rotation) => {
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/pause", {
        params: { rotation },
        body: { reason: call.options.reason },
      });
      await showRotation(call, answer);
    },
  );

  calls<BrownoutOptions, [string]>(
    reasoned(
      "brownout",
      "refuse the old version for a short time, from now on: who has not moved finds out",
    ).requiredOption("--for <duration>", "for so long, 1h at most", duration),
    io,
    ['keyover rotation brownout rot_… --for 1m --reason "rehearsal, announced by mail"'],
    async (call, rotation) => {
      const { for: forMs, reason } = call.options;
      const { min, max } = ruleLimits["brownout.lengthsMs"];
      if (forMs < min || forMs > max)
        throw new UsageError(
          `--for takes ${formatDuration(min)} to ${formatDuration(max)}; got ${formatDuration(forMs)}`,
        );
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/brownout", {
        params: { rotation },
        body: { forMs, reason },
      });
      await showRotation(call, answer);
      await receipt(call, answer.api);
    },
  );

  calls<ReasonOptions, [string]>(
    reasoned("end-brownout", "end the brownout that runs, and those that are planned"),
    io,
    ['keyover rotation end-brownout rot_… --reason "the desk asked for a day"'],
    async (call, rotation) => {
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/brownout/end", {
        params: { rotation },
        body: { reason: call.options.reason },
      });
      await showRotation(call, answer);
    },
  );

  calls<ReasonOptions, [string]>(
    reasoned("lift-fence", "let the old version do again what it could do before the policy's fence"),
    io,
    ['keyover rotation lift-fence rot_… --reason "a payout is due today"'],
    async (call, rotation) => {
      const answer = await call.api.request("post", "/v1/rotations/{rotation}/fence/lift", {
        params: { rotation },
        body: { reason: call.options.reason },
      });
      await showRotation(call, answer);
    },
  );

  calls<object, [string]>(
    group
      .command("resume")
      .argument("<rotation>", ROTATION)
      .description("let a paused rotation go on; its deadline moves on by the length of the pause"),
    io,
    ["keyover rotation resume rot_…"],
    async (call, rotation) =>
      showRotation(
        call,
        await call.api.request("post", "/v1/rotations/{rotation}/resume", { params: { rotation }, body: {} }),
      ),
  );

  calls<object, [string]>(
    group.command("cancel").argument("<rotation>", ROTATION).description("end a rotation whose successor nobody has"),
    io,
    ["keyover rotation cancel rot_…"],
    async (call, rotation) =>
      showRotation(
        call,
        await call.api.request("post", "/v1/rotations/{rotation}/cancel", { params: { rotation }, body: {} }),
      ),
  );
}

/** With nobody to ask the numbers are not worth a call. */
async function consequenceOfRetiring(call: Call<object>, rotation: string): Promise<string> {
  if (!call.io.isTty) return `Forcing ${rotation} to retire refuses whoever still uses the old version.`;
  const { quiet } = await call.api.request("get", "/v1/rotations/{rotation}/evidence", { params: { rotation } });
  const loud = quiet.sources.filter((source) => !source.quiet).length;
  if (loud === 0) return `Version ${quiet.version} will be refused everywhere. No source is known to need it.`;
  return `Version ${quiet.version} will be refused everywhere, though ${loud === 1 ? "one source is" : `${loud} sources are`} not known to be done with it.`;
}
