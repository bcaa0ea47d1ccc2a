/** The secrets of a channel: sealed when they are given, opened only to send. */
import type { Custody, SealedFor } from "../custody/custody.ts";
import type { Secret } from "../custody/secret.ts";
import type { Channel, ChannelSecret } from "../store/notice-entities.ts";

function belongingTo(channelId: string, version: number): SealedFor {
  return { owner: channelId, version, purpose: "channel" };
}

/** As the channel's newest of its name. */
export function sealedSecret(
  custody: Custody,
  { id, secrets }: Pick<Channel, "id" | "secrets">,
  name: ChannelSecret["name"],
  secret: Secret,
  now: number,
): ChannelSecret {
  const version = Math.max(0, ...secrets.map((each) => each.version)) + 1;
  return { name, version, envelope: custody.seal(secret, belongingTo(id, version)), createdAt: now, retireAt: null };
}

/** Those in force. */
export function secretsInForce({ secrets }: Pick<Channel, "secrets">, now: number): ChannelSecret[] {
  return secrets.filter(({ retireAt }) => retireAt === null || now < retireAt).sort((a, b) => b.version - a.version);
}

/** The newest first. */
export function openedSecrets(custody: Custody, channel: Channel, now: number): Secret[] {
  return secretsInForce(channel, now).map(({ envelope, version }) =>
    custody.open(envelope, belongingTo(channel.id, version)),
  );
}
