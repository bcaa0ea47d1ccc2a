/** Prometheus metrics. Labels hold handles of apis at most: never a key, a consumer or an address. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  registry: Registry;
  httpSeconds: Histogram<"method" | "route" | "status">;
  verifications: Counter<"api" | "code">;
  rotationSteps: Counter<"event">;
  /** Messages to channels, by what came of them. */
  notices: Counter<"what" | "kind">;
}

/** What is read at the moment of a scrape. */
export interface Gauges {
  rotations(): Promise<Record<string, number>>;
  keys(): Promise<Record<string, number>>;
  verifiers(): Promise<{ api: string; state: string; count: number }[]>;
  watermarkLagSeconds(): Promise<{ api: string; seconds: number }[]>;
  reconciling(): Promise<{ api: string; state: string }[]>;
  /** Notices that wait or are dead, and for how long the oldest has waited. */
  notices(): Promise<{ waiting: number; dead: number; oldestSeconds: number }>;
  feedFollowers(): number;
  replicas(): number;
  shards(): number;
}

export function createMetrics(gauges: Gauges): Metrics {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "keyover_rotations",
    help: "Rotations that have not ended, by phase.",
    labelNames: ["phase"],
    registers,
    async collect() {
      for (const [phase, count] of Object.entries(await gauges.rotations())) this.set({ phase }, count);
    },
  });
  new Gauge({
    name: "keyover_keys",
    help: "Keys by status.",
    labelNames: ["status"],
    registers,
    async collect() {
      for (const [status, count] of Object.entries(await gauges.keys())) this.set({ status }, count);
    },
  });
  new Gauge({
    name: "keyover_verifiers",
    help: "Boots of verifiers by api and state.",
    labelNames: ["api", "state"],
    registers,
    async collect() {
      this.reset();
      for (const { api, state, count } of await gauges.verifiers()) this.set({ api, state }, count);
    },
  });
  new Gauge({
    name: "keyover_watermark_lag_seconds",
    help: "How far the reports of an api's verifiers are behind now.",
    labelNames: ["api"],
    registers,
    async collect() {
      this.reset();
      for (const { api, seconds } of await gauges.watermarkLagSeconds()) this.set({ api }, seconds);
    },
  });
  new Gauge({
    name: "keyover_reconciling",
    help: "1 for each api that waits for keyover reconcile: held, or served while a late verifier knows more.",
    labelNames: ["api", "state"],
    registers,
    async collect() {
      this.reset();
      for (const labels of await gauges.reconciling()) this.set(labels, 1);
    },
  });
  const oldest = new Gauge({
    name: "keyover_notices_oldest_waiting_seconds",
    help: "Age of the oldest notice that was not sent yet; quiet hours count.",
    registers,
  });
  new Gauge({
    name: "keyover_notices",
    help: "Notices by state.",
    labelNames: ["state"],
    registers,
    async collect() {
      const { waiting, dead, oldestSeconds } = await gauges.notices();
      this.set({ state: "waiting" }, waiting);
      this.set({ state: "dead" }, dead);
      oldest.set(oldestSeconds);
    },
  });
  new Gauge({
    name: "keyover_feed_followers",
    help: "Open feed streams.",
    registers,
    collect() {
      this.set(gauges.feedFollowers());
    },
  });
  new Gauge({
    name: "keyover_replicas",
    help: "Authority processes on this database that are alive, as far as this one knows.",
    registers,
    collect() {
      this.set(gauges.replicas());
    },
  });
  new Gauge({
    name: "keyover_engine_shards",
    help: "Parts of the engine's work that are this process's, of 16.",
    registers,
    collect() {
      this.set(gauges.shards());
    },
  });
  return {
    registry,
    httpSeconds: new Histogram({
      name: "keyover_http_request_seconds",
      help: "Time to answer a request.",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    verifications: new Counter({
      name: "keyover_verifications_total",
      help: "Verifications that the authority itself answered.",
      labelNames: ["api", "code"],
      registers,
    }),
    rotationSteps: new Counter({
      name: "keyover_rotation_steps_total",
      help: "Steps of rotations by what brought them about.",
      labelNames: ["event"],
      registers,
    }),
    notices: new Counter({
      name: "keyover_notices_total",
      help: "Attempts to send a notice, by what came of them: sent, failed, and of the failed those that made it dead.",
      labelNames: ["what", "kind"],
      registers,
    }),
  };
}
