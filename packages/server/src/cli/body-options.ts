/**
 * What a member of a call is called on the command line. The authority speaks of `body.gate.soakMs`, because that is what it was sent; who
 * wrote `--soak` has never seen it. One table for all commands: of several names the one that was given is meant, else the first that the
 * command has. A test runs every command that sends a body, and holds that each member it can send has a name here.
 */
import { ApiError } from "@keyover/client/api";
import type { Command } from "commander";
import { clean, cut } from "./render.ts";

/** `*` is an index. `<name>` is an argument. */
const NAMES: Record<string, readonly string[]> = {
  // ---- of many
  name: ["<name>", "--name"],
  reason: ["--reason"],
  notes: ["--notes"],
  labels: ["--label", "--clear-labels"],
  label: ["--label"],
  scopes: ["--scope"],
  networks: ["--network", "--any-network"],
  networksMode: ["--network-mode"],
  network: ["--network"],
  api: ["--api"],
  apis: ["--api"],
  environment: ["--environment"],
  environments: ["--environment"],
  consumer: ["--consumer"],
  owner: ["--owner"],
  role: ["--role"],
  expiresAt: ["--expires"],
  sha256: ["--sha256"],
  version: ["--version"],
  limit: ["--limit"],
  status: ["--status"],
  state: ["--state"],
  subject: ["--subject"],
  after: ["--after"],
  // ---- apis and keys
  prefix: ["--prefix"],
  addScopes: ["--add-scope"],
  addEnvironments: ["--add-environment"],
  widen: ["--widen"],
  plan: ["<plan>", "--plan", "--default-plan"],
  defaultPlan: ["--default-plan", "--clear-default-plan"],
  limits: ["--rate", "--quota", "--clear-limits"],
  by: ["--by"],
  startsAt: ["--starts"],
  from: ["--last"],
  expiresUntil: ["--expires-within"],
  "fence.scopes": ["--scope"],
  "fence.networks": ["--network"],
  "policy.overlapMs": ["--overlap"],
  "policy.overlapMinMs": ["--overlap-min"],
  "policy.quietMs": ["--quiet"],
  "policy.gapMargin": ["--gap-margin"],
  "policy.youngQuietMs": ["--young-quiet"],
  "policy.onDeadline": ["--on-deadline"],
  "policy.rollbackMs": ["--rollback-window"],
  "policy.claimMs": ["--claim-time"],
  "policy.claim": ["--claim"],
  "staleness.leaseMs": ["--lease"],
  "staleness.onStale": ["--on-stale"],
  "staleness.staticMs": ["--static-for"],
  // ---- rotations
  byMs: ["--by"],
  overlapEndsAt: ["--until"],
  forMs: ["--for"],
  // ---- campaigns, emergencies, offboarding
  mode: ["--mode"],
  direct: ["--direct"],
  revokeMade: ["--revoke-made"],
  pace: ["--pace"],
  dryRun: ["--dry-run"],
  expect: ["--expect"],
  wave: ["--wave"],
  waves: ["--wave"],
  "waves.*.keys": ["--canary"],
  "gate.offered": ["--offered"],
  "gate.claimed": ["--claimed"],
  "gate.retired": ["--retired"],
  "gate.soakMs": ["--soak"],
  "gate.waitMs": ["--patience"],
  "limits.failedMax": ["--max-failed"],
  "limits.refusedMax": ["--max-refused"],
  "select.apis": ["--api"],
  "select.environments": ["--environment"],
  "select.consumers": ["--consumer"],
  "select.consumerLabels": ["--consumer-label"],
  "select.keyLabels": ["--label"],
  "select.keys": ["--key"],
  "select.createdBefore": ["--created-before"],
  "select.everything": ["--everything"],
  // ---- policies
  spec: ["--file"],
  "target.kind": ["--api", "--environment", "--consumer-label", "--key"],
  "target.api": ["--api"],
  "target.environment": ["--environment"],
  "target.name": ["--consumer-label"],
  "target.value": ["--consumer-label"],
  "target.key": ["--key", "--pagerduty-key-file"],
  // ---- channels
  "target.url": ["--webhook", "--slack-url-file"],
  "target.to": ["--email"],
  "target.chat": ["--telegram"],
  "target.token": ["--bot-token-file"],
  events: ["--event"],
  severity: ["--severity"],
  quiet: ["--quiet"],
  digestMs: ["--digest"],
  escalate: ["--escalate"],
  "escalate.afterMs": ["--escalate-after", "--escalate"],
  enabled: ["--enable", "--disable"],
  force: ["--force"],
  keepOldMs: ["--keep-old"],
  // ---- verify
  key: ["--key"],
  scope: ["--scope"],
  client: ["--client"],
  instance: ["--instance"],
  // ---- reconcile
  choose: ["--choose"],
  keys: ["--key"],
  revive: ["--revive"],
};

const VALUE_MAX = 60;

/** What the command line calls `body.labels.team`: `--label team`; undefined where it can't say it at all. */
function optionOf(command: Command, path: string): string | undefined {
  const [place = "", ...steps] = path.split(".");
  if (place === "params") return argumentOf(command, steps[0] ?? "");
  for (let length = steps.length; length > 0; length--) {
    const name = steps.slice(0, length).map(starred).join(".");
    const option = meantOf(command, NAMES[name] ?? []);
    if (option !== undefined) return withRest(command, option, steps.slice(length));
  }
  return undefined;
}

const starred = (step: string) => (/^\d+$/.test(step) ? "*" : step);

function meantOf(command: Command, names: readonly string[]): string | undefined {
  const had = names.filter((name) => has(command, name));
  return had.find((name) => givenTo(command, name) !== undefined) ?? had[0];
}

function has(command: Command, name: string): boolean {
  return name.startsWith("<")
    ? argumentOf(command, name.slice(1, -1)) !== undefined
    : command.options.some(({ long }) => long === name);
}

function argumentOf(command: Command, name: string): string | undefined {
  return command.registeredArguments.some((argument) => argument.name() === name) ? `<${name}>` : undefined;
}

function givenTo(command: Command, name: string): unknown {
  const option = command.options.find(({ long }) => long === name);
  return option === undefined ? undefined : (command.opts() as Record<string, unknown>)[option.attributeName()];
}

/** Which of several values, or which part of it. */
function withRest(command: Command, option: string, rest: readonly string[]): string {
  const [step, ...further] = rest;
  if (step === undefined) return option;
  const given = givenTo(command, option);
  const value = Array.isArray(given) ? given[Number(step)] : undefined;
  if (typeof value === "string") return withRest(command, `${option} "${cut(clean(value), VALUE_MAX)}"`, further);
  return starred(step) === "*" ? option : clean(`${option} ${rest.join(".")}`);
}

/** The same refusal, in the words of the command line. */
export function inOptions(error: ApiError, command: Command): ApiError {
  const { problem } = error;
  const issues = (problem as { errors?: unknown } | undefined)?.errors;
  const message = isIssues(issues)
    ? issues.map(({ path, message }) => `${optionOf(command, path) ?? path}: ${asWritten(message)}`).join("; ")
    : error.code === "name_taken"
      ? takenText(error.message, command)
      : withPolicyOptions(error.message, command);
  return new ApiError(message, error.status, error.code, problem, error.cause);
}

/** Nobody writes milliseconds here. */
export function asWritten(message: string): string {
  return message.replace(/takes milliseconds, \d+ \(([^)]+)\) to \d+ \(([^)]+)\)/, "takes $1 to $2");
}

function isIssues(value: unknown): value is { path: string; message: string }[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((issue) => typeof issue?.path === "string" && typeof issue?.message === "string")
  );
}

/** Which of what was given must be unique. */
function takenText(message: string, command: Command): string {
  const unique = ["<name>", "--name", "--prefix", "--sha256"].filter(
    (name) => has(command, name) && (name.startsWith("<") || givenTo(command, name) !== undefined),
  );
  return unique.length === 0 ? message : `this ${unique.join(" or ")} is in use already`;
}

/** A policy that contradicts itself is told by its members, wherever they come from. */
function withPolicyOptions(message: string, command: Command): string {
  return message.replaceAll(/\b[a-z]+[A-Z]\w+\b/g, (word) => meantOf(command, NAMES[`policy.${word}`] ?? []) ?? word);
}
