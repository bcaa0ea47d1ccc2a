/** The load of http-load.ts, made by a process of its own: one alone is too slow for two servers. */
import { loadOf } from "./http-load.ts";
import { peerSettings } from "./processes.ts";

export interface LoadOrder {
  port: number;
  path: string;
  connections: number;
  seconds: number;
  wanted: number;
}

export interface LoadSaid {
  perSecond: number;
}

const { texts } = peerSettings<{ texts: string[] }>();
process.on("message", ({ port, path, connections, seconds, wanted }: LoadOrder) => {
  void loadOf(port, path, texts, connections, seconds, wanted).then((perSecond) =>
    process.send?.({ perSecond } satisfies LoadSaid),
  );
});
