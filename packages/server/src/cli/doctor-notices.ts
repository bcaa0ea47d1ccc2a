/** The doctor's look at who is told of what, through the API: channels that lead nowhere, and what never arrived. */
import type { Api } from "@keyover/client/api";
import { everything } from "./connection.ts";
import { bad, type Finding, good, note } from "./finding.ts";

export async function examineNotices(client: Api): Promise<Finding[]> {
  const channels = (await everything((query) => client.request("get", "/v1/channels", { query }), undefined)).items;
  const policies = (await everything((query) => client.request("get", "/v1/policies", { query }), undefined)).items;
  const dead = await client.request("get", "/v1/notices", { query: { state: "dead", limit: 1 } });
  const byId = new Map(channels.map((channel) => [channel.id, channel]));
  const byName = new Map(channels.map((channel) => [channel.name, channel]));
  const findings: Finding[] = [];

  for (const { name, escalate, disabledAt } of channels) {
    if (escalate === null || disabledAt !== null) continue;
    const to = byId.get(escalate.channel);
    if (to?.disabledAt === null) continue;
    const what = to === undefined ? "a channel that was removed" : `${to.name}, which is disabled`;
    const advice = `what nobody acknowledges ends there; keyover channel update ${name} --escalate <channel>`;
    findings.push(bad(`channel ${name}`, `escalates to ${what}`, advice));
  }
  for (const { name, spec } of policies) {
    for (const named of spec.channels ?? []) {
      const to = byName.get(named);
      if (to?.disabledAt === null) continue;
      const what = to === undefined ? "there is no such channel (any more)" : "it is disabled";
      const advice = "its notices go out by the others alone; change the policy's file, or the channel";
      findings.push(bad(`policy ${name}`, `names the channel ${named}, and ${what}`, advice));
    }
  }
  const used = new Set([
    ...channels.map(({ escalate }) => byId.get(escalate?.channel ?? "")?.name),
    ...policies.flatMap(({ spec }) => spec.channels ?? []),
  ]);
  for (const { name, events, disabledAt, disabledReason } of channels) {
    if (disabledAt !== null)
      findings.push(
        note(
          `channel ${name}`,
          `is disabled: ${disabledReason}`,
          `use it again: keyover channel update ${name} --enable`,
        ),
      );
    else if (events.length === 0 && !used.has(name))
      findings.push(
        note(
          `channel ${name}`,
          "gets nothing: it asks for no event, and no policy or channel sends it any",
          "name it in a policy",
        ),
      );
  }
  if (dead.items.length > 0)
    findings.push(note("notices", "some could not be delivered", "see which and why: keyover notices dead"));
  if (channels.length === 0)
    findings.push(note("channels", "there is none: nobody is told anything", "make one: keyover channel add"));
  if (findings.length > 0) return findings;
  return [good("channels", `${channels.length} in use, none leads nowhere`)];
}
