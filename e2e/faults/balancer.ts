/**
 * What stands in front of the replicas for people and for consumers' clients, who know one address: a plain TCP balancer that asks each
 * replica for /readyz a few times a second, hands new connections to those that answer, and drops the connections of one that no longer does.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const CHECK_EVERY_MS = 200;
const CHECK_MS_MAX = 600;

export interface Balancer {
  url: string;
  close(): void;
}

interface Target {
  url: URL;
  ready: boolean;
  open: Set<Socket>;
}

export async function openBalancer(urls: readonly string[]): Promise<Balancer> {
  const targets = urls.map((url): Target => ({ url: new URL(url), ready: true, open: new Set() }));
  let turn = 0;
  const next = (): Target | undefined => {
    const ready = targets.filter((target) => target.ready);
    return ready[turn++ % ready.length];
  };

  const server = createServer((client) => {
    const target = next();
    if (target === undefined) return void client.resetAndDestroy();
    const upstream = connect(Number(target.url.port), target.url.hostname);
    for (const [end, other] of [[client, upstream] as const, [upstream, client] as const]) {
      target.open.add(end);
      end.pipe(other);
      end.on("error", () => undefined);
      end.on("close", () => {
        target.open.delete(end);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const look = async (target: Target) => {
    target.ready = await isReady(target.url);
    if (!target.ready) for (const socket of target.open) socket.destroy();
  };
  const checking = setInterval(() => void Promise.all(targets.map(look)), CHECK_EVERY_MS);
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      clearInterval(checking);
      for (const { open } of targets) for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

async function isReady(url: URL): Promise<boolean> {
  try {
    const response = await fetch(new URL("/readyz", url), { signal: AbortSignal.timeout(CHECK_MS_MAX) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
