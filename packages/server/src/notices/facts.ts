/** What is known around an event when it is spread: names, the state of the rotation, who still uses the old version and from where. */
import type { Rotation, SourceUse } from "@keyover/core";
import type { NoticeEvent, NoticeFacts, RaisedEvent, RotationFacts, VersionUser } from "../store/notice-entities.ts";
import type { Store } from "../store/store.ts";

/** As many as one reads. */
const USERS_SHOWN = 10;

/** Events that say who still uses the old version. */
const NAMES_USERS: ReadonlySet<NoticeEvent> = new Set([
  "rotation.offered",
  "rotation.reminder",
  "rotation.deadline",
  "rotation.retired",
  "rotation.stuck",
  "brownout.announced",
  "brownout.ended",
  "key.refused-uses",
]);

export async function gatherNoticeFacts(store: Store, raised: RaisedEvent): Promise<NoticeFacts> {
  const { keyId, rotationId, consumerId, apiId } = raised;
  const read = async <T>(id: string | null, get: (id: string) => Promise<{ value: T } | undefined>) =>
    id === null ? undefined : (await get(id))?.value;
  const [key, rotation, consumer, api] = await Promise.all([
    read(keyId, (id) => store.get("key", id)),
    read(rotationId, (id) => store.get("rotation", id)),
    read(consumerId, (id) => store.get("consumer", id)),
    read(apiId, (id) => store.get("api", id)),
  ]);
  const users =
    NAMES_USERS.has(raised.event) && rotation !== undefined ? usersOf(await store.uses(rotation.keyId), rotation) : [];
  return {
    key: key === undefined ? null : { id: key.id, name: key.name, environment: key.environment },
    consumer: consumer === undefined ? null : { id: consumer.id, name: consumer.name },
    api: api === undefined ? null : { id: api.id, name: api.name },
    rotation: rotation === undefined ? null : rotationFacts(rotation),
    users: users.slice(0, USERS_SHOWN),
    usersTotal: users.length,
  };
}

/** Sources that have used the old version and not moved since, or that used it at any time since the offer. */
function usersOf(uses: readonly SourceUse[], { from, to, offeredAt }: Rotation): VersionUser[] {
  const users = uses.flatMap(({ source, versions }) => {
    const old = versions[from];
    if (old === undefined) return [];
    const moved = (versions[to]?.last ?? Number.NEGATIVE_INFINITY) > old.last;
    if (moved && old.last < (offeredAt ?? 0)) return [];
    return [{ ...source, lastSeen: old.last, moved }];
  });
  return users.sort((a, b) => Number(a.moved) - Number(b.moved) || b.lastSeen - a.lastSeen);
}

function rotationFacts(rotation: Rotation): RotationFacts {
  const { id, phase, from, to, reason, startsAt, overlapEndsAt, retiredAt, policy, fromCompromised, fromRefusedAt } =
    rotation;
  const rollback = retiredAt !== null && !fromCompromised && policy.rollbackMs > 0;
  return {
    id,
    phase,
    from,
    to,
    reason,
    startsAt,
    overlapEndsAt,
    retiredAt,
    rollbackUntil: rollback ? retiredAt + policy.rollbackMs : null,
    onDeadline: policy.onDeadline,
    forced: rotation.forced?.reason ?? null,
    fromCompromised,
    fromRefusedAt,
  };
}
