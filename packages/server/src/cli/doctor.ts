/** `keyover doctor`: what is wrong, and what to do about it, a line each. Asks the authority, and with `--data` looks into the folder. */
import { type Api, ApiError, createApi } from "@keyover/client/api";
import type { Command } from "commander";
import { checkChain } from "./audit-commands.ts";
import { withExamples } from "./command-group.ts";
import {
  type ConnectionOptions,
  connectionOptions,
  everything,
  plainHttpAllowed,
  tokenOf,
  urlOf,
} from "./connection.ts";
import { examineDatabase } from "./doctor-database.ts";
import { examineFolder } from "./doctor-folder.ts";
import { examineFleet, examineKeys, examineRotations } from "./doctor-inventory.ts";
import { examineNotices } from "./doctor-notices.ts";
import { RefusedError } from "./exit-codes.ts";
import { causeOf } from "./failures.ts";
import { bad, type Finding, findingText, good, note } from "./finding.ts";
import { type Io, painterOf, say, sayJson } from "./io.ts";
import { namesPlace, type Place, type PlaceOptions, placeOf, placeOptions } from "./place.ts";
import { count, roughly } from "./render.ts";

interface DoctorOptions extends ConnectionOptions, PlaceOptions {
  json?: boolean | undefined;
}

export function doctorCommand(program: Command, io: Io): void {
  const command = connectionOptions(
    placeOptions(
      program
        .command("doctor")
        .description("check the authority, and what --data or DATABASE_URL names; exit 1 if anything is bad"),
    ),
  );
  withExamples(command, [
    "keyover doctor",
    "keyover doctor --data keyover-data",
    "keyover doctor --json | jq '.findings[] | select(.level == \"bad\")'",
  ]);
  command.action(async () => {
    const options = command.opts<DoctorOptions>();
    const findings = await examine(options, io);
    const wrong = findings.filter(({ level }) => level === "bad").length;
    if (options.json) sayJson(io, { healthy: wrong === 0, findings });
    else for (const finding of findings) say(io, findingText(finding, painterOf(io)));
    if (wrong > 0) throw new RefusedError(wrong === 1 ? "one finding is bad" : `${wrong} findings are bad`);
  });
}

async function examine(options: DoctorOptions, io: Io): Promise<Finding[]> {
  const offline = namesPlace(options, io) ? await examinePlace(placeOf(options, io), io) : undefined;
  const asked =
    options.url ?? io.env.KEYOVER_URL ?? options.tokenFile ?? io.env.KEYOVER_TOKEN ?? io.env.KEYOVER_TOKEN_FILE;
  // A folder or a database alone, perhaps a restored backup, has no authority that runs.
  if (offline !== undefined && asked === undefined) {
    return [
      ...offline,
      note("authority", "not asked, because only its data was named", "name it with --url to have it checked too"),
    ];
  }
  return [...(offline ?? []), ...(await examineAuthority(options, io))];
}

function examinePlace(place: Place, io: Io): Promise<Finding[]> {
  return place.database === undefined
    ? examineFolder(place, () => io.world.clock.now())
    : examineDatabase(place.database, place, io);
}

async function examineAuthority(options: ConnectionOptions, io: Io): Promise<Finding[]> {
  const url = urlOf(options, io);
  const { findings, clockAheadMs } = await examineReach(url, io);
  if (findings.some(({ level }) => level === "bad")) return findings;
  const token = tokenOf(options, io);
  if (token === undefined) {
    return [
      ...findings,
      note(
        "token",
        "none was given, so nothing more could be looked at",
        "put one of role admin, operator or auditor into KEYOVER_TOKEN",
      ),
    ];
  }
  const api = createApi({ url, token, allowPlainHttp: plainHttpAllowed(io), world: io.world });
  const { finding, mayRead } = await examineToken(api);
  findings.push(finding);
  if (!mayRead) return findings;
  const now = io.world.clock.now() - clockAheadMs;
  const apis = (await everything((query) => api.request("get", "/v1/apis", { query }), undefined)).items;
  findings.push(await examineAudit(api));
  for (const each of apis) findings.push(...(await examineFleet(api, each, now, io.world.clock)));
  findings.push(
    ...(await examineRotations(api, now)),
    ...(await examineKeys(api, now)),
    ...(await examineNotices(api)),
  );
  return findings;
}

/** Half a minute off confuses times given as "from now"; leases are counted by the authority's clock and do not mind. */
const CLOCK_OFF_MS = 5_000;
const READY_TIMEOUT_MS = 10_000;

interface Readiness {
  status?: string;
  code?: string;
  /** Apis that are held after a restore. */
  reconciling?: number;
}

function readyFinding({ reconciling }: Readiness): Finding {
  if (reconciling === undefined) return good("ready", "it can do its work");
  return bad(
    "ready",
    `${count(reconciling, "api is", "apis are")} not served: the database was restored`,
    "look and choose with: keyover reconcile",
  );
}

async function examineReach(url: string, io: Io): Promise<{ findings: Finding[]; clockAheadMs: number }> {
  const { clock } = io.world;
  const timeout = new AbortController();
  const cancel = clock.after(READY_TIMEOUT_MS, () =>
    timeout.abort(new Error(`no answer within ${roughly(READY_TIMEOUT_MS)}`)),
  );
  const begun = clock.elapsed();
  try {
    const response = await io.world.fetch(`${url}/readyz`, { signal: timeout.signal, redirect: "error" });
    const took = clock.elapsed() - begun;
    const reached = good("reachable", `${url} answered after ${roughly(took)}`);
    const body = (await response.json().catch(() => undefined)) as Readiness | undefined;
    if (body?.status !== "ready") {
      const advice =
        body?.code === undefined
          ? "is --url the address of an authority?"
          : "look at its log; it may be starting or stopping";
      return {
        findings: [
          reached,
          bad("ready", `it answers ${response.status}${body?.code === undefined ? "" : ` ${body.code}`}`, advice),
        ],
        clockAheadMs: 0,
      };
    }
    const { finding, aheadMs } = examineClock(Date.parse(response.headers.get("date") ?? ""), clock.now(), took);
    return { findings: [reached, readyFinding(body), finding], clockAheadMs: aheadMs };
  } catch (error) {
    const [reason = "", ...advice] = causeOf(error).split(". ");
    const next = advice.join(". ") || "start it with keyover serve, or name the right one with --url";
    return { findings: [bad("reachable", `${url} can't be reached${reason}`, next)], clockAheadMs: 0 };
  } finally {
    cancel();
  }
}

/** The Date header has whole seconds: the authority's clock lies between it and a second later, at some moment of the call. */
export function examineClock(dateHeader: number, now: number, tookMs: number): { finding: Finding; aheadMs: number } {
  if (!Number.isFinite(dateHeader))
    return { finding: note("clock", "the answer has no date", "compare the clocks yourself"), aheadMs: 0 };
  const ahead = now - tookMs / 2 - (dateHeader + 500);
  const off = Math.max(0, Math.abs(ahead) - 500 - tookMs / 2);
  if (off <= CLOCK_OFF_MS)
    return { finding: good("clock", "this machine and the authority agree on the time to a few seconds"), aheadMs: 0 };
  const text = `this machine's clock is ${roughly(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} the authority's`;
  return {
    finding: bad(
      "clock",
      text,
      "let both machines take their time from NTP; times that you give as “from now” are off by as much",
    ),
    aheadMs: ahead,
  };
}

/** A call that only administrators may make; the refusal names the role. */
async function examineToken(api: Api): Promise<{ finding: Finding; mayRead: boolean }> {
  try {
    await api.request("get", "/v1/tokens", { query: { limit: 1 } });
    return { finding: good("token", "its role is admin"), mayRead: true };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "unauthenticated")
      return {
        finding: bad(
          "token",
          "the authority does not know it, or it was revoked or has expired",
          "make a new one with keyover token create",
        ),
        mayRead: false,
      };
    if (error.code !== "forbidden") throw error;
    const role = typeof error.problem?.role === "string" ? error.problem.role : "not admin";
    const mayRead = await canRead(api);
    const finding = mayRead
      ? good("token", `its role is ${role}`)
      : note(
          "token",
          `its role is ${role}, which may not look at the rest`,
          "give one of role admin, operator or auditor",
        );
    return { finding, mayRead };
  }
}

async function canRead(api: Api): Promise<boolean> {
  try {
    await api.request("get", "/v1/apis", { query: { limit: 1 } });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === "forbidden") return false;
    throw error;
  }
}

async function examineAudit(api: Api): Promise<Finding> {
  const chain = await checkChain(api);
  if ("brokenAt" in chain)
    return bad(
      "audit",
      `entry ${chain.brokenAt} is missing or not what was written`,
      "compare the log with a backup, and find out who can write to the database",
    );
  return good("audit", `${count(chain.seq, "entry", "entries")}, every hash recomputed; the last is ${chain.hash}`);
}
