/** `keyover audit …`: who changed what, and whether the record is whole. */
import type { Api } from "@keyover/client/api";
import type { Command } from "commander";
import { type ChainState, chainStart, verifyChain } from "../store/audit-chain.ts";
import { calls, show } from "./command-group.ts";
import { type AuditRow, auditColumns } from "./entity-tables.ts";
import { RefusedError } from "./exit-codes.ts";
import { type Io, remark, widthOf } from "./io.ts";
import { type ListOptions, listOptions, present, whole } from "./options.ts";
import { count, table } from "./render.ts";

interface AuditOptions extends ListOptions {
  subject?: string;
  after?: number;
  verify?: boolean;
}

const PAGE_MAX = 1_000;

export function auditCommands(program: Command, io: Io): void {
  const group = program.command("audit").description("who changed what");
  const list = group
    .command("list")
    .description("list audit entries, oldest first")
    .option("--subject <handle>", "only about this key, rotation, token, …")
    .option("--after <number>", "only after this entry", whole)
    .option("--verify", "also recompute the whole hash chain; exit 1 if an entry was altered");
  calls<AuditOptions>(
    listOptions(list),
    io,
    ["keyover audit list --subject key_…", "keyover audit list --verify --json > audit.json"],
    async (call) => {
      const { subject, after, limit, verify } = call.options;
      const items: AuditRow[] = [];
      let next: number | null = after ?? 0;
      while (next !== null && items.length < (limit ?? Infinity)) {
        const wanted = Math.min(PAGE_MAX, (limit ?? Infinity) - items.length);
        const page = await auditPage(call.api, { after: next, limit: wanted, ...present({ subject }) });
        items.push(...page.items);
        next = page.next;
      }
      const answer = { items, next };
      show(call, answer, () => (items.length === 0 ? "No entry matches." : table(items, auditColumns(), widthOf(io))));
      if (verify) remark(io, chainSentence(await checkChain(call.api)));
    },
  );
}

interface AuditPage {
  items: AuditRow[];
  next: number | null;
}

function auditPage(api: Api, query: { after: number; limit: number; subject?: string }): Promise<AuditPage> {
  return api.request("get", "/v1/audit", { query });
}

/** Recomputes every hash from the first entry on. */
export async function checkChain(api: Api): Promise<ChainState | { brokenAt: number }> {
  let state: ChainState | { brokenAt: number } = chainStart;
  let next: number | null = 0;
  while (next !== null && !("brokenAt" in state)) {
    const page: AuditPage = await auditPage(api, { after: next, limit: PAGE_MAX });
    state = verifyChain(state, page.items);
    next = page.next;
  }
  return state;
}

function chainSentence(state: ChainState | { brokenAt: number }): string {
  if ("brokenAt" in state) {
    throw new RefusedError(
      `the audit log was altered: entry ${state.brokenAt} is missing or not what was written. Compare it with a backup`,
    );
  }
  return `The audit log is whole: ${count(state.seq, "entry", "entries")}, last hash ${state.hash}.`;
}
