/** Channels as people make and change them; and what they may ask of single notices: send it again, or let it rest. */
import { isZone, makeHandle, type World } from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { Secret } from "../custody/secret.ts";
import type { Command, KeyDesk } from "../keys/key-desk.ts";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import {
  type Channel,
  type ChannelKind,
  type Notice,
  noticeEvents,
  type QuietHours,
  type Severity,
} from "../store/notice-entities.ts";
import { type AuditDraft, type Held, put, type Store, type Write } from "../store/store.ts";
import { targetProblem } from "./addresses.ts";
import { openedSecrets, sealedSecret, secretsInForce } from "./channel-secrets.ts";
import { inUse, lostUses, usesOf } from "./channel-uses.ts";
import { matchesNothing } from "./events.ts";
import type { Attempt, Send } from "./senders.ts";
import { makeSigningSecret } from "./signature.ts";

/** Where a channel leads, its secrets in the clear. */
export type Target =
  | { kind: "webhook"; url: string }
  | { kind: "email"; to: string[] }
  | { kind: "slack"; url: string }
  | { kind: "telegram"; chat: string; token: string }
  | { kind: "pagerduty"; key: string };

interface Settings {
  name: string;
  events: string[];
  severity: Severity;
  quiet: QuietHours | null;
  digestMs: number;
  escalate: { channel: string; afterMs: number } | null;
}

export interface NewChannel extends Omit<Settings, "digestMs"> {
  consumerId: string | null;
  target: Target;
  digestMs?: number | undefined;
}

export type ChannelPatch = { [K in keyof Settings]?: Settings[K] | undefined } & {
  target?: Target | undefined;
  enabled?: boolean | undefined;
};

export interface WithSecret {
  channel: Channel;
  /** A webhook's signing secret; shown once. */
  secret: Secret | undefined;
  sealedId: string | undefined;
}

export interface ChangedChannel {
  channel: Channel;
  /** What leads nowhere from now on. */
  warnings: string[];
}

export interface Channels {
  create(wanted: NewChannel, command: Command<WithSecret>): Promise<Outcome<WithSecret>>;
  /** `force`: though other channels or policies then lead nowhere. */
  update(
    channelId: string,
    patch: ChannelPatch,
    command: Command<ChangedChannel>,
    force?: boolean,
  ): Promise<Outcome<ChangedChannel>>;
  remove(channelId: string, command: Command<ChangedChannel>, force?: boolean): Promise<Outcome<ChangedChannel>>;
  /** A second signing secret beside the first, which ends `keepOldMs` later. */
  rotateSecret(channelId: string, keepOldMs: number, command: Command<WithSecret>): Promise<Outcome<WithSecret>>;
  /** Of two signing secrets only the newer one is used from now on. */
  endOldSecret(channelId: string, command: Command<Channel>): Promise<Outcome<Channel>>;
  /** Sends one message now, and says what came of it. */
  test(channelId: string): Promise<Outcome<{ notice: string; attempt: Attempt; tookMs: number }>>;
  /** Its target is gone. */
  disable(channelId: string, reason: string): Promise<void>;
  resend(noticeId: string, command: Command<Notice>): Promise<Outcome<Notice>>;
  acknowledge(noticeId: string, command: Command<Notice>): Promise<Outcome<Notice>>;
}

export interface ChannelDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
  send: Send;
  allowedPrivate: readonly string[];
  hasMail: boolean;
  /** A channel or a notice was changed. */
  onChange: () => void;
}

/** For people, several notices are one message unless they say otherwise; programs get each by itself. */
const DIGEST_MS: Record<ChannelKind, number> = {
  webhook: 0,
  email: 300_000,
  slack: 60_000,
  telegram: 60_000,
  pagerduty: 0,
};

/** For the audit log: what led there. */
const though = (lost: readonly string[]) => (lost.length === 0 ? {} : { though: lost });

const TRIES = 6;

/** A repeated request with the same Idempotency-Key gets the same secret for this long. */
const SEALED_MS = 3_600_000;

export function createChannels(deps: ChannelDeps): Channels {
  const { world, store, desk, custody } = deps;

  const commit = async <T>(
    writes: Write[],
    audit: Pick<AuditDraft, "actor" | "action" | "subjects" | "details">,
    value: T,
    command: Pick<Command<T>, "remember">,
  ): Promise<Outcome<T>> => {
    const entry = { at: world.clock.now(), ...audit };
    const idempotency = command.remember?.(value);
    const outcome = await desk.commit({ writes, audit: [entry], feed: [], idempotency });
    deps.onChange();
    return outcome.ok ? accept(value) : outcome;
  };

  const found = async (channelId: string): Promise<Held<Channel> | Refusal> =>
    (await store.get("channel", channelId)) ?? refuse("not_found", `there is no channel ${channelId}`);

  const change = async (
    channelId: string,
    action: string,
    command: Command<Channel>,
    work: (channel: Channel) => Promise<Outcome<Channel>> | Outcome<Channel>,
    details: Record<string, unknown> = {},
  ): Promise<Outcome<Channel>> => {
    const held = await found(channelId);
    if ("ok" in held) return held;
    const next = await work(held.value);
    if (!next.ok || next.value === held.value) return next;
    const audit = { actor: command.actor, action, subjects: [channelId], details };
    return commit([put("channel", next.value, held)], audit, next.value, command);
  };

  /** What the target adds to the channel. A secret that is not given anew stays. */
  const aimed = (channel: Channel, target: Target): Channel => {
    const sealed = (name: "url" | "token" | "key", text: string) => [
      sealedSecret(custody, channel, name, new Secret(text), world.clock.now()),
    ];
    switch (target.kind) {
      case "webhook":
        return { ...channel, config: { url: target.url } };
      case "email":
        return { ...channel, config: { to: target.to } };
      case "slack":
        return { ...channel, secrets: sealed("url", target.url) };
      case "telegram":
        return { ...channel, config: { chat: target.chat }, secrets: sealed("token", target.token) };
      case "pagerduty":
        return { ...channel, secrets: sealed("key", target.key) };
    }
  };

  /** `channel`: the one that is changed; of a new one its owner is known alone. */
  const problemOf = async (
    { target, events, quiet, escalate }: Pick<ChannelPatch, "target" | "events" | "quiet" | "escalate">,
    channel: Pick<Channel, "consumerId"> & { id?: string },
  ): Promise<Refusal | undefined> => {
    if (target !== undefined && "url" in target) {
      const problem = targetProblem(target.url, deps.allowedPrivate);
      if (problem !== undefined) return refuse("channel_target_refused", problem);
    }
    if (target?.kind === "email" && !deps.hasMail) return refuse("mail_not_configured");
    const misspelt = events?.find(matchesNothing);
    if (misspelt !== undefined)
      return refuse(
        "invalid_request",
        `no event is called ${misspelt}; the events are ${noticeEvents.join(", ")}, or patterns such as rotation.*`,
      );
    if (quiet != null && !isZone(quiet.zone)) return refuse("invalid_request", `there is no time zone ${quiet.zone}`);
    if (quiet != null && quiet.from === quiet.to)
      return refuse("invalid_request", "quiet hours that end when they begin are none; say when they end");
    if (escalate == null) return undefined;
    if (escalate.channel === channel.id) return refuse("invalid_request", "a channel can't escalate to itself");
    const next = (await store.get("channel", escalate.channel))?.value;
    if (next === undefined) return refuse("not_found", `there is no channel ${escalate.channel}`);
    // What escalates goes on whatever the next channel wants: a consumer must not hear of another's keys by it.
    return next.consumerId === null || next.consumerId === channel.consumerId
      ? undefined
      : refuse("invalid_request", `${next.name} is a consumer's; escalate to the operators, or to the same consumer`);
  };

  /** A fresh signing secret, and a copy for the repeated request. */
  const signing = (
    channel: Channel,
  ): { sealed: Channel["secrets"][number]; secret: Secret; copy: Write; sealedId: string } => {
    const now = world.clock.now();
    const secret = makeSigningSecret(world.random);
    const id = makeHandle("channel", now, world.random);
    const envelope = custody.seal(secret, { owner: id, version: 1, purpose: "token" });
    const row = {
      id,
      keyId: null,
      version: null,
      rotationId: null,
      envelope,
      expiresAt: now + SEALED_MS,
      createdAt: now,
    };
    return {
      sealed: sealedSecret(custody, channel, "signing", secret, now),
      secret,
      copy: put("sealed", row),
      sealedId: id,
    };
  };

  return {
    async create(wanted, command) {
      const problem = await problemOf(wanted, wanted);
      if (problem !== undefined) return problem;
      if (wanted.consumerId !== null && (await store.get("consumer", wanted.consumerId)) === undefined)
        return refuse("not_found", `there is no consumer ${wanted.consumerId}`);
      const now = world.clock.now();
      const { target, escalate, digestMs, ...settings } = wanted;
      const bare: Channel = {
        ...settings,
        id: makeHandle("channel", now, world.random),
        kind: target.kind,
        config: {},
        secrets: [],
        digestMs: digestMs ?? DIGEST_MS[target.kind],
        escalate: escalate === null ? null : { channelId: escalate.channel, afterMs: escalate.afterMs },
        disabledAt: null,
        disabledReason: null,
        createdAt: now,
        createdBy: command.actor,
      };
      const channel = aimed(bare, target);
      const { name, kind, consumerId, events } = channel;
      const subjects = [channel.id, ...(consumerId === null ? [] : [consumerId])];
      const audit = { actor: command.actor, action: "channel.created", subjects, details: { name, kind, events } };
      if (target.kind !== "webhook") {
        const value = { channel, secret: undefined, sealedId: undefined };
        return commit([put("channel", channel)], audit, value, command);
      }
      const { sealed, secret, copy, sealedId } = signing(channel);
      const signed = { ...channel, secrets: [sealed] };
      return commit([put("channel", signed), copy], audit, { channel: signed, secret, sealedId }, command);
    },

    async update(channelId, patch, command, force = false) {
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
      const work = async (channel: Channel): Promise<Outcome<Channel>> => {
        const problem = await problemOf(patch, channel);
        if (problem !== undefined) return problem;
        if (patch.target !== undefined && patch.target.kind !== channel.kind)
          return refuse("invalid_request", `the channel is of kind ${channel.kind}; make another one`);
        if (Object.keys(given).length === 0) return accept(channel);
        const { target, enabled, escalate, ...settings } = given as ChannelPatch;
        let next: Channel = { ...channel, ...(settings as Partial<Channel>) };
        if (target !== undefined) next = aimed(next, target);
        if (escalate !== undefined)
          next.escalate = escalate === null ? null : { channelId: escalate.channel, afterMs: escalate.afterMs };
        if (enabled === true) next = { ...next, disabledAt: null, disabledReason: null };
        if (enabled === false) next = { ...next, disabledAt: world.clock.now(), disabledReason: "by an operator" };
        return accept(next);
      };
      const held = await found(channelId);
      if ("ok" in held) return held;
      const { name } = held.value;
      const renamed = patch.name !== undefined && patch.name !== name;
      const stopped = patch.enabled === false && held.value.disabledAt === null;
      const uses = renamed || stopped ? await usesOf(store, held.value) : { channels: [], policies: [] };
      const warnings = lostUses(uses, name, !stopped);
      if (warnings.length > 0 && !force) return inUse(warnings, uses);
      const details = {
        changed: Object.keys(given),
        ...(patch.enabled === undefined ? {} : { enabled: patch.enabled }),
        ...though(warnings),
      };
      const { actor, remember } = command;
      const remembered = remember && ((channel: Channel) => remember({ channel, warnings }));
      const outcome = await change(channelId, "channel.updated", { actor, remember: remembered }, work, details);
      return outcome.ok ? accept({ channel: outcome.value, warnings }) : outcome;
    },

    async remove(channelId, command, force = false) {
      const held = await found(channelId);
      if ("ok" in held) return held;
      const { name, kind } = held.value;
      const uses = await usesOf(store, held.value);
      const warnings = lostUses(uses, name, false);
      if (warnings.length > 0 && !force) return inUse(warnings, uses);
      const details = { name, kind, ...though(warnings) };
      const audit = { actor: command.actor, action: "channel.removed", subjects: [channelId], details };
      const removed = { channel: held.value, warnings };
      return commit([{ remove: "channel", id: channelId }], audit, removed, command);
    },

    async rotateSecret(channelId, keepOldMs, command) {
      const held = await found(channelId);
      if ("ok" in held) return held;
      const now = world.clock.now();
      const inForce = secretsInForce(held.value, now);
      if (held.value.kind !== "webhook")
        return refuse("invalid_request", "only a webhook has a signing secret of ours");
      if (inForce.length > 1) return refuse("channel_secret_overlap");
      const { sealed, secret, copy, sealedId } = signing(held.value);
      const old = inForce.map((each) => ({ ...each, retireAt: now + keepOldMs }));
      const channel = { ...held.value, secrets: [...old, sealed] };
      const details = { version: sealed.version, oldUntil: now + keepOldMs };
      const audit = { actor: command.actor, action: "channel.secret-rotated", subjects: [channelId], details };
      return commit([put("channel", channel, held), copy], audit, { channel, secret, sealedId }, command);
    },

    endOldSecret(channelId, command) {
      return change(channelId, "channel.secret-ended", command, (channel) => {
        const [newest] = secretsInForce(channel, world.clock.now());
        return accept(channel.secrets.length < 2 || newest === undefined ? channel : { ...channel, secrets: [newest] });
      });
    },

    async test(channelId) {
      const held = await found(channelId);
      if ("ok" in held) return held;
      const now = world.clock.now();
      const begun = world.clock.elapsed();
      const notice = makeHandle("notice", now, world.random);
      const secrets = openedSecrets(custody, held.value, now);
      const never = new AbortController().signal;
      const attempts: Attempt[] = [];
      for (const recipient of held.value.config.to ?? [null]) {
        const outgoing = { id: notice, channel: held.value, secrets, recipient, after: null, events: [] };
        const sent = await deps.send(outgoing, now, never);
        attempts.push(sent.ok || recipient === null ? sent : { ...sent, error: `${recipient}: ${sent.error}` });
      }
      const attempt = attempts.find(({ ok }) => !ok) ?? (attempts[0] as Attempt);
      return accept({ notice, attempt, tookMs: Math.round(world.clock.elapsed() - begun) });
    },

    async disable(channelId, reason) {
      const work = (channel: Channel) =>
        accept(
          channel.disabledAt === null ? { ...channel, disabledAt: world.clock.now(), disabledReason: reason } : channel,
        );
      const held = await store.get("channel", channelId);
      const lost = held === undefined ? [] : lostUses(await usesOf(store, held.value), held.value.name, false);
      world.log("warn", "channel.disabled", { channel: channelId, name: held?.value.name, reason, lost });
      await change(channelId, "channel.disabled", { actor: "system" }, work, { reason, ...though(lost) });
    },

    async resend(noticeId, command) {
      const held = await store.get("notice", noticeId);
      if (held === undefined) return refuse("not_found", `there is no notice ${noticeId}`);
      if (held.value.state === "waiting")
        return refuse("notice_waiting", `it is sent by itself; tried ${held.value.attempts} times so far`);
      const now = world.clock.now();
      const notice: Notice = { ...held.value, state: "waiting", attempts: 0, dueAt: now, firstDueAt: now };
      const details = { channel: notice.channelId, was: held.value.state };
      const audit = { actor: command.actor, action: "notice.resent", subjects: [noticeId, notice.channelId], details };
      return commit([put("notice", notice, held)], audit, notice, command);
    },

    async acknowledge(noticeId, command) {
      for (let tries = 0; tries < TRIES; tries++) {
        const held = await store.get("notice", noticeId);
        if (held === undefined) return refuse("not_found", `there is no notice ${noticeId}`);
        if (held.value.acknowledgedAt !== null) return accept(held.value);
        const now = world.clock.now();
        const looked = { acknowledgedAt: now, acknowledgedBy: command.actor, escalateAt: null };
        const notice = { ...held.value, ...looked };
        // Of mail to several the first one escalates for all.
        const first = held.value.copyOf == null ? undefined : await store.get("notice", held.value.copyOf);
        const open = first !== undefined && first.value.acknowledgedAt === null;
        const writes = [
          put("notice", notice, held),
          ...(open ? [put("notice", { ...first.value, ...looked }, first)] : []),
        ];
        const subjects = [noticeId, ...(open ? [first.value.id] : []), notice.channelId];
        const audit = { actor: command.actor, action: "notice.acknowledged", subjects, details: {} };
        const outcome = await commit(writes, audit, notice, command);
        // It is being sent just now, and its row was moved along.
        if (outcome.ok || outcome.code !== "conflict") return outcome;
      }
      return refuse("conflict");
    },
  };
}
