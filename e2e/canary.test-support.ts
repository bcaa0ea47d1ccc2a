/**
 * What the black-box tests leave behind is looked through for their secrets at the end (I15, canary.test-setup.ts). So, while they run:
 *
 *     secrets that the authority handed out, or that somebody presented ──▶ $KEYOVER_CANARY/planted.jsonl
 *     what processes wrote · refusals and metrics · folders, once their test is done with them ──▶ $KEYOVER_CANARY/left/
 *
 * A process knows of it by the environment, and hands that on to those that it starts; without it nothing is noted. Nothing of the packages'
 * is imported here but the scan: vitest's own process, which does the setup, does not find their sources.
 */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { SecretScan } from "../packages/server/src/secret-scan.test-support.ts";

const place = () => process.env.KEYOVER_CANARY;
const planted = (at: string) => join(at, "planted.jsonl");
const left = (at: string) => join(at, "left");
const noted = new Set<string>();
const refusals = new Set<string>();

/** From now on, in this process and in those that it starts. */
export function openCanary(at: string): void {
  mkdirSync(left(at), { recursive: true, mode: 0o700 });
  writeFileSync(planted(at), "", { mode: 0o600 });
  process.env.KEYOVER_CANARY = at;
}

/** This secret is not to be found anywhere. */
export function plant(secret: string): void {
  const at = place();
  if (at === undefined || noted.has(secret)) return;
  noted.add(secret);
  appendFileSync(planted(at), `${JSON.stringify(secret)}\n`);
}

/** A text that was printed, answered or shown. */
export function leave(name: string, text: string): void {
  const at = place();
  if (at !== undefined) appendFileSync(join(left(at), name), text, { mode: 0o600 });
}

/** A folder that its test is done with: true if it is kept to be looked through, and is no longer where it was. */
export function leaveFolder(folder: string): boolean {
  const at = place();
  if (at === undefined) return false;
  try {
    renameSync(folder, join(left(at), basename(folder)));
    return true;
  } catch {
    return false;
  }
}

/** Notes what this process presents and is handed by HTTP, and what it is refused. */
export function watchFetch(): void {
  const realFetch = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const presented = new Headers(init?.headers ?? (input instanceof Request ? input.headers : {})).get(
      "authorization",
    );
    for (const secret of secretsIn(presented ?? "")) plant(secret);
    const response = await realFetch(input, init);
    if (place() === undefined) return response;
    const url = new URL(input instanceof Request ? input.url : input);
    const type = response.headers.get("content-type") ?? "";
    if (url.pathname === "/metrics") leave("metrics", await response.clone().text());
    else if (type.includes("json")) noteAnswer(url, response.status, await response.clone().text());
    return response;
  };
}

function noteAnswer(url: URL, status: number, text: string): void {
  if (status < 400) for (const secret of secretsIn(text)) plant(secret);
  else if (!refusals.has(text)) {
    refusals.add(text);
    leave("refusals", `${status} ${url.pathname}\n${text}\n`);
  }
}

/**
 * By their form: a key's or a token's prefix and environment (key-text.ts), 38 characters of chance and checksum; a channel's signing secret. A
 * SHA-256 in base64url, as the audit log shows them, must not look like one: it has 43 characters, and a key 44 or more.
 */
export function secretsIn(text: string): string[] {
  const keys = /(?<![0-9A-Za-z_-])[a-z][a-z0-9]{1,9}_[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{38}(?![0-9A-Za-z_-])/g;
  return [...(text.match(keys) ?? []), ...(text.match(/(?<![0-9A-Za-z])whsec_[0-9A-Za-z+/]{20,}={0,2}/g) ?? [])];
}

const MASTER_KEY = /\/master\.key$/;
/** These keep a secret by design: master keys, key files and what lies beside them, files of tokens and of webhooks' secrets. Nobody else may have what is in them. */
const KEEPS_A_SECRET = /\/(master\.key|[\w.-]*(token|secret)|[\w.-]+\.key(\.[\w.-]+)?)$/;
export const keepsASecret = (file: string): boolean => KEEPS_A_SECRET.test(file);

export interface Found {
  secrets: number;
  files: number;
  findings: string[];
}

/** Looks for all that was planted, in all that was left and in these folders. */
export function findPlanted(at: string, ...folders: string[]): Found {
  const files = [left(at), ...folders].flatMap(filesBelow);
  const scan = new SecretScan();
  const lines = readFileSync(planted(at), "utf8").split("\n");
  const secrets = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as string);
  for (const file of files.filter((each) => KEEPS_A_SECRET.test(each))) {
    const text = readFileSync(file, "utf8").trim();
    if (MASTER_KEY.test(file)) scan.plant(nameOf("master key", text), Buffer.from(text, "base64url"));
    else secrets.push(...secretsIn(text));
  }
  for (const secret of new Set(secrets)) scan.plant(nameOf(secret.split("_").slice(0, -1).join("_"), secret), secret);
  for (const file of files) if (!KEEPS_A_SECRET.test(file)) scan.lookInto(file);
  return { secrets: scan.size, files: scan.scanned.files, findings: scan.findings };
}

function nameOf(kind: string, secret: string): string {
  return `${kind || "password"} (SHA-256 ${createHash("sha256").update(secret).digest("hex").slice(0, 12)})`;
}

/** Regular ones: a socket or a pipe keeps nothing. */
export function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
