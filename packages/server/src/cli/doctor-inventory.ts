/** The doctor's look at verifiers, rotations and keys, through the API. */
import type { Api } from "@keyover/client/api";
import { type Clock, sleep } from "@keyover/core";
import { everything } from "./connection.ts";
import type { ApiRow, VerifiersAnswer } from "./entity-tables.ts";
import { bad, type Finding, good, note } from "./finding.ts";
import { relative, roughly } from "./render.ts";

/** A verifier applies an entry in milliseconds and reports each second; who is behind on a second look has a problem. */
const SECOND_LOOK_MS = 1_500;
const WATERMARK_LATE_MS = 30_000;
const EXPIRES_SOON_MS = 14 * 86_400_000;
const NAMED_MAX = 5;

export async function examineFleet(client: Api, { id, name }: ApiRow, now: number, clock: Clock): Promise<Finding[]> {
  const look = () => client.request("get", "/v1/apis/{api}/verifiers", { params: { api: id } });
  const first = await look();
  const behindAtFirst = laggards(first, first.head);
  if (behindAtFirst.length > 0) await sleep(clock, SECOND_LOOK_MS);
  const answer = behindAtFirst.length > 0 ? await look() : first;
  const live = answer.items.filter(({ state }) => state === "live");
  const lost = answer.items.filter(({ state }) => state === "lost");
  const behind = laggards(answer, first.head);
  const late = now - answer.watermark;
  const about = `verifiers of ${name}`;
  const findings: Finding[] = [];
  if (lost.length > 0) {
    const since = lost.map(({ coveredTo }) => coveredTo).reduce((a, b) => Math.min(a, b));
    findings.push(
      bad(
        about,
        `${listed(lost.map(({ instance }) => instance))} went silent, the first ${relative(since, now)}`,
        `start it again under the same name; if it is gone for good: keyover api remove-verifier ${name} ${lost[0]?.boot}`,
      ),
    );
  }
  if (behind.length > 0) {
    findings.push(
      bad(
        about,
        `${listed(behind.map(({ instance, applied }) => `${instance} (${applied} of ${first.head})`))} lag behind the feed`,
        `rotations wait for ${behind.length === 1 ? "it" : "them"}; look at the log, and if one is gone for good: keyover api remove-verifier ${name} ${behind[0]?.boot}`,
      ),
    );
  }
  if (live.length > 0 && late > WATERMARK_LATE_MS) {
    findings.push(
      bad(
        about,
        `reports are whole only up to ${roughly(late)} ago`,
        "a verifier does not report; nothing retires on evidence until it does",
      ),
    );
  }
  if (findings.length > 0) return findings;
  if (live.length === 0) return [note(about, "none runs", "nothing decides on its keys but keyover verify")];
  return [good(about, `${live.length} live, all at ${answer.head} of the feed`)];
}

function laggards(answer: VerifiersAnswer, head: number) {
  return answer.items.filter(({ state, applied }) => state === "live" && applied < head);
}

export async function examineRotations(client: Api, now: number): Promise<Finding[]> {
  const { items } = await everything(
    (query) => client.request("get", "/v1/rotations", { query: { ...query, ended: "false" } }),
    undefined,
  );
  const held = items.filter(
    ({ phase, overlapEndsAt }) =>
      (phase === "offered" || phase === "overlapping") && overlapEndsAt !== null && overlapEndsAt <= now,
  );
  if (held.length === 0) return [good("rotations", `${items.length} under way, none held past its deadline`)];
  return held.map(({ id, phase, overlapEndsAt }) =>
    bad(
      "rotation",
      `${id} is ${phase}, its deadline passed ${relative(overlapEndsAt ?? now, now)}`,
      `see what it waits for: keyover rotation evidence ${id}`,
    ),
  );
}

export async function examineKeys(client: Api, now: number): Promise<Finding[]> {
  const filter = { status: "active" as const, expiresUntil: Math.floor(now + EXPIRES_SOON_MS) };
  const { items } = await everything(
    (query) => client.request("get", "/v1/keys", { query: { ...query, ...filter } }),
    undefined,
  );
  const soon = items.filter(({ expiresAt }) => expiresAt !== null && expiresAt > now);
  const over = items.length - soon.length;
  const findings: Finding[] = [];
  if (over > 0)
    findings.push(
      note(
        "keys",
        `${over} ${over === 1 ? "has" : "have"} expired but are not revoked`,
        "list them: keyover key list --status active --expires-within 0",
      ),
    );
  if (soon.length > 0) {
    const ids = listed(soon.map(({ id, expiresAt }) => `${id} ${relative(expiresAt ?? now, now)}`));
    findings.push(
      note(
        "keys",
        `${soon.length} ${soon.length === 1 ? "expires" : "expire"} within ${roughly(EXPIRES_SOON_MS)}: ${ids}`,
        "give them more time: keyover key update <key> --expires 90d",
      ),
    );
  }
  return findings.length > 0 ? findings : [good("keys", `none expires within ${roughly(EXPIRES_SOON_MS)}`)];
}

function listed(names: string[]): string {
  const more = names.length - NAMED_MAX;
  return `${names.slice(0, NAMED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
