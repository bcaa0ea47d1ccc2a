/** What a standalone verifier counts, and its state, as samples that several processes' can be put together of, and as Prometheus' text. */
import type { VerdictCode } from "@keyover/core";
import type { ApiStatus } from "../api-replica.ts";

export type Endpoint = "check" | "ext-authz" | "grpc" | "verify" | "batch" | "introspect";

/** What was wrong with a request that was not decided on. */
export type Unread =
  | "header_too_large"
  | "timed_out"
  | "malformed_request"
  | "misconfigured"
  | "too_many_connections"
  | "unauthenticated"
  | "defect";

export interface Sample {
  name: keyof typeof families;
  labels: Record<string, string>;
  value: number;
}

const families = {
  keyover_verifier_decisions_total: ["counter", "Decisions on presented keys, by endpoint and verdict."],
  keyover_verifier_keys_in_query_total: ["counter", "Requests with a key in their query string, refused and allowed."],
  keyover_verifier_two_credentials_total: ["counter", "Requests refused because a credential header was there twice."],
  keyover_verifier_unread_total: ["counter", "Requests that were not decided on, by what was wrong with them."],
  keyover_verifier_connections: ["gauge", "Open connections."],
  keyover_verifier_ready: ["gauge", "1 if the process can decide."],
  keyover_verifier_feed_seq: ["gauge", "The last feed entry that is applied."],
  keyover_verifier_feed_lag: [
    "gauge",
    "Feed entries that the authority has and this process lacks, as far as is known.",
  ],
  keyover_verifier_keys: ["gauge", "Keys in the replica."],
  keyover_verifier_stale: ["gauge", "1 if the lease is over: answers are stale, or refusals."],
  keyover_verifier_lease_seconds: ["gauge", "For how long the process may still answer without the authority."],
  keyover_verifier_reports_waiting: ["gauge", "Reports that the authority has not taken yet."],
  keyover_verifier_would_refuse_total: [
    "counter",
    "Requests let through that the networks of keys in the mode report would refuse.",
  ],
  keyover_verifier_misses_total: [
    "counter",
    "Keys that were not held: asked of the authority and found, unknown or without an answer; not asked, because of all (dropped) or of their network (noisy).",
  ],
  keyover_verifier_cache_hits_total: ["counter", "Decisions on keys that the cache held."],
  keyover_verifier_cache_evictions_total: ["counter", "Keys that the cache gave up for others."],
  keyover_verifier_cache_keys_max: ["gauge", "Keys that the cache holds at most."],
} as const;

export class Tallies {
  readonly #decisions = new Map<Endpoint, Map<VerdictCode, { count: number }>>();
  readonly #unread = new Map<Unread, number>();
  readonly #inQuery = { refused: 0, allowed: 0 };
  #twoCredentials = 0;

  decided(endpoint: Endpoint, code: VerdictCode): void {
    let codes = this.#decisions.get(endpoint);
    if (codes === undefined) {
      codes = new Map();
      this.#decisions.set(endpoint, codes);
    }
    const counter = codes.get(code);
    if (counter === undefined) codes.set(code, { count: 1 });
    else counter.count++;
  }

  keyInQuery(outcome: "refused" | "allowed"): void {
    this.#inQuery[outcome]++;
  }

  twoCredentials(): void {
    this.#twoCredentials++;
  }

  unread(reason: Unread): void {
    this.#unread.set(reason, (this.#unread.get(reason) ?? 0) + 1);
  }

  samples(status: readonly ApiStatus[], connections: number, ready: boolean): Sample[] {
    const samples: Sample[] = [];
    const add = (name: Sample["name"], labels: Sample["labels"], value: number) =>
      samples.push({ name, labels, value });
    for (const [endpoint, codes] of this.#decisions)
      for (const [code, { count }] of codes) add("keyover_verifier_decisions_total", { endpoint, code }, count);
    for (const outcome of ["refused", "allowed"] as const)
      add("keyover_verifier_keys_in_query_total", { outcome }, this.#inQuery[outcome]);
    add("keyover_verifier_two_credentials_total", {}, this.#twoCredentials);
    for (const [reason, count] of this.#unread) add("keyover_verifier_unread_total", { reason }, count);
    add("keyover_verifier_connections", {}, connections);
    add("keyover_verifier_ready", {}, Number(ready));
    for (const { api, seq, lag, keys, stale, lease, pendingReports, wouldRefuse, misses, cache } of status) {
      add("keyover_verifier_feed_seq", { api }, seq);
      add("keyover_verifier_feed_lag", { api }, lag);
      add("keyover_verifier_keys", { api }, keys);
      add("keyover_verifier_stale", { api }, Number(stale));
      add("keyover_verifier_lease_seconds", { api }, lease.remainingMs / 1_000);
      add("keyover_verifier_reports_waiting", { api }, pendingReports);
      add("keyover_verifier_would_refuse_total", { api }, wouldRefuse);
      const { found, unknown, failed, dropped, noisy } = misses;
      for (const [outcome, count] of Object.entries({ found, unknown, failed, dropped: dropped - noisy, noisy }))
        add("keyover_verifier_misses_total", { api, outcome }, count);
      if (cache === undefined) continue;
      add("keyover_verifier_cache_hits_total", { api }, cache.hits);
      add("keyover_verifier_cache_evictions_total", { api }, cache.evictions);
      add("keyover_verifier_cache_keys_max", { api }, cache.keysMax);
    }
    return samples;
  }
}

/** Prometheus' text format 0.0.4. */
export function metricsText(samples: readonly Sample[]): string {
  let text = "";
  for (const [name, [type, help]] of Object.entries(families)) {
    const own = samples.filter((sample) => sample.name === name);
    if (own.length === 0) continue;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const { labels, value } of own) text += `${name}${labelText(labels)} ${value}\n`;
  }
  return text;
}

function labelText(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, escaped)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
