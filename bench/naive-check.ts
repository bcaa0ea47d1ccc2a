/**
 * The check that one writes in an afternoon, for comparison: SHA-256 in hexadecimal, a Map of objects, the same questions.
 * It looks at the form of a text, but not at a checksum.
 */
import { createHash } from "node:crypto";
import { BlockList } from "node:net";
import type { HeldKey } from "./keyring.ts";

interface NaiveKey {
  id: string;
  consumer: string;
  environment: string;
  status: string;
  scopes: Set<string>;
  networks: BlockList | undefined;
  expiresAt: number | undefined;
  uses: number;
  lastUsedAt: number;
}

export interface NaiveAsk {
  environment: string;
  scope: string;
  network: string;
}

const FORM = /^[a-z][a-z0-9]{1,9}_[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{38}$/;

export type NaiveCheck = (text: string, ask: NaiveAsk) => { valid: boolean; key?: string; consumer?: string };

export function naiveCheckOf(held: readonly HeldKey[]): NaiveCheck {
  const keys = new Map<string, NaiveKey>();
  for (const { text, record } of held) keys.set(hexOf(text), keyOf(record));
  return (text, { environment, scope, network }) => {
    if (!FORM.test(text)) return { valid: false };
    const key = keys.get(hexOf(text));
    if (key === undefined || key.status !== "active" || key.environment !== environment) return { valid: false };
    const now = Date.now();
    if (key.expiresAt !== undefined && key.expiresAt <= now) return { valid: false };
    if (!key.scopes.has(scope)) return { valid: false };
    if (key.networks !== undefined && !key.networks.check(network)) return { valid: false };
    key.uses++;
    key.lastUsedAt = now;
    return { valid: true, key: key.id, consumer: key.consumer };
  };
}

function hexOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function keyOf({ key, consumer, environment, status, scopes, networks, expiresAt }: HeldKey["record"]): NaiveKey {
  const shared = { id: key, consumer, environment, status, scopes: new Set(scopes), expiresAt, uses: 0, lastUsedAt: 0 };
  if (networks.length === 0) return { ...shared, networks: undefined };
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), "ipv4");
  }
  return { ...shared, networks: list };
}
