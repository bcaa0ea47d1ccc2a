/**
 * A change of one key, collected and then committed whole: the key, its versions, its rotation, sealed secrets, audit entries, what people
 * should hear of it, and the one feed entry that brings verifiers up to date. Nothing here does I/O.
 */
import {
  decide,
  type Effect,
  type Fence,
  isAccepted,
  type Key,
  makeHandle,
  makeKeyText,
  planRotation,
  policySources,
  type ResolvedPolicy,
  type Rotation,
  type RotationPolicy,
  recordOf,
  sha256Text,
  type Version,
  type World,
  withState,
} from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { Secret } from "../custody/secret.ts";
import { type Custodian, type CustodyWay, versionCustodian } from "../store/custodian-entities.ts";
import type { Api, Sealed } from "../store/entities.ts";
import type { NoticeDraft, NoticeEvent } from "../store/notice-entities.ts";
import { type AuditDraft, type Batch, type Check, type Held, put, type Write } from "../store/store.ts";
import { noticesOf } from "./move-told.ts";

/** A key with all that belongs to it, as read. */
export interface KeyState {
  api: Api;
  key: Held<Key>;
  versions: Held<Version>[];
  rotation: Held<Rotation> | undefined;
  sealed: Held<Sealed>[];
}

export interface ChangeTools {
  world: World;
  custody: Custody;
  /** For a rotation of this key that starts now, unless `follow` says more: what its api and the key itself say. */
  policy: RotationPolicy;
  actor: string;
}

/** When the key rotates by itself, and when its expiry and its use are to be looked at. */
export type KeyDates = Pick<Key, "rotateAt" | "expiryAt" | "idleAt">;

/** A key as verifiers remember it after a restore. */
export interface Remembered {
  key: Key;
  versions: readonly Version[];
  /** That runs from now on. */
  rotation: Rotation | undefined;
  /** The one that was read, if it has ended. */
  ended: Rotation | undefined;
  /** Versions whose sealed secret goes. */
  unsealed: readonly string[];
  /** The row of a rotation that had ended, and runs again. */
  rotationBefore: Held<Rotation> | undefined;
}

/** A key under change. Reads go to `key`, `version(n)`, `rotation`; `batch()` is what to commit. */
export class KeyChange {
  readonly #state: KeyState;
  readonly #tools: ChangeTools;
  readonly #versions: Map<number, Version>;
  readonly #fresh: Write[] = [];
  readonly #audit: AuditDraft[] = [];
  readonly #notices: NoticeDraft[] = [];
  readonly now: number;
  key: Key;
  rotation: Rotation | undefined;
  /** A rotation that this change began after ending another. */
  #replacement: Rotation | undefined;
  /** The consumer's own secret, by hash; taken up when the successor is created. */
  #handedIn: string | undefined;
  /** A rotation that had ended, and runs again after a restore. */
  #takenUpAgain: Held<Rotation> | undefined;
  #tellAnew = false;
  #campaign: Rotation["campaign"] = null;
  #dated = false;
  /** With all that is attached. */
  #policy: ResolvedPolicy | undefined;
  #checks: readonly Check[] = [];
  readonly #reliedOn: Check[] = [];

  constructor(state: KeyState, tools: ChangeTools) {
    this.#state = state;
    this.#tools = tools;
    this.now = tools.world.clock.now();
    this.key = state.key.value;
    this.rotation = state.rotation?.value;
    this.#versions = new Map(state.versions.map(({ value }) => [value.number, value]));
  }

  version(number: number): Version | undefined {
    return this.#versions.get(number);
  }

  versions(): Version[] {
    return [...this.#versions.values()].sort((a, b) => a.number - b.number);
  }

  note(action: string, details: Record<string, unknown>, subjects: string[] = []): void {
    const all = [...subjects, this.key.id, this.key.consumerId, this.key.apiId];
    this.#audit.push({ at: this.now, actor: this.#tools.actor, action, subjects: [...new Set(all)], details });
  }

  /** Somebody should hear of it. */
  raise(event: NoticeEvent, details: Record<string, unknown>, rotationId?: string): void {
    const { id, consumerId, apiId } = this.key;
    const running = rotationId === this.rotation?.id ? this.rotation?.campaign : undefined;
    const campaignId = (this.#campaign ?? running)?.id;
    this.#notices.push({ event, at: this.now, keyId: id, consumerId, apiId, rotationId, campaignId, details });
  }

  /** What begins from now on is part of a campaign. */
  joinCampaign(campaign: Rotation["campaign"]): void {
    this.#campaign = campaign;
  }

  /** What begins from now on begins under this policy. `checks`: where the commit is to find it as it was. */
  follow(policy: ResolvedPolicy, checks: readonly Check[] = []): void {
    this.#policy = policy;
    this.#checks = checks;
  }

  /** What was read besides, and must be as it was when this is committed. */
  relyOn(check: Check): void {
    this.#reliedOn.push(check);
  }

  get followed(): ResolvedPolicy | undefined {
    return this.#policy;
  }

  /** Its dates follow from what has changed here. */
  get datesStale(): boolean {
    if (this.#dated) return false;
    const before = this.#state.key.value;
    const { key } = this;
    if (key.rotationId === null && (before.rotationId !== null || key.currentVersion !== before.currentVersion))
      return true;
    if (key.rotateAt === undefined || key.idleAt === undefined) return true;
    return key.status !== before.status || key.expiresAt !== before.expiresAt;
  }

  setDates(dates: KeyDates): void {
    this.#dated = true;
    this.key = { ...this.key, ...dates };
  }

  /** Plans a rotation and, if it is due, begins it in the same commit: its intent and its successor appear together (I6). */
  startRotation(start: {
    from: number;
    reason: string;
    startsAt?: number | undefined;
    sha256?: string | undefined;
    scopes?: string[] | undefined;
    policy?: RotationPolicy | undefined;
    compromised?: "kill" | "contain" | undefined;
  }): Rotation {
    const { world, actor } = this.#tools;
    const standing = start.policy === undefined ? this.#policy : undefined;
    const from = this.#versions.get(start.from);
    const rotation = planRotation(
      {
        id: makeHandle("rotation", this.now, world.random),
        keyId: this.key.id,
        apiId: this.key.apiId,
        from: start.from,
        to: this.key.nextVersion,
        policy: start.policy ?? standing?.rotation ?? this.#tools.policy,
        policySources: standing === undefined ? [] : policySources(standing),
        calendar: calendarOf(standing),
        reason: start.reason,
        startedBy: actor,
        origin: start.sha256 === undefined ? "authority" : "consumer",
        startsAt: start.startsAt,
        campaign: this.#campaign,
        scopes: start.scopes ?? from?.scopes ?? null,
        fromCompromised: start.compromised !== undefined || from?.compromised === true,
        fromRefused: start.compromised === "kill",
      },
      this.now,
    );
    this.key = { ...this.key, nextVersion: rotation.to + 1, rotationId: rotation.id };
    this.#handedIn = start.sha256;
    this.note(
      "rotation.planned",
      { rotation: rotation.id, from: rotation.from, to: rotation.to, reason: start.reason },
      [rotation.id],
    );
    this.raise("rotation.planned", { from: rotation.from, to: rotation.to, reason: start.reason }, rotation.id);
    const begun = decide(rotation, { type: "begin" }, this.now);
    const next = begun.ok ? begun.next : rotation;
    if (this.rotation === undefined) this.rotation = next;
    else this.#replacement = next;
    if (begun.ok) this.carryOut(begun.effects, next);
    return next;
  }

  /** Takes over a decision of core. */
  take(next: Rotation, effects: readonly Effect[], action: string, details: Record<string, unknown> = {}): void {
    const notices = this.rotation === undefined ? [] : noticesOf(this.rotation, next);
    for (const notice of notices) this.raise(notice.event, notice.details, next.id);
    this.rotation = next;
    if (next.endedAt !== null) {
      const failed = next.phase !== "completed";
      this.key = { ...this.key, rotationId: null, lastRotation: { endedAt: next.endedAt, failed } };
    }
    this.note(action, { rotation: next.id, phase: next.phase, ...details }, [next.id]);
    this.carryOut(effects, next, details.reason);
  }

  /** `reason`: a person's, for what they did. */
  carryOut(effects: readonly Effect[], rotation: Rotation | undefined, reason?: unknown): void {
    for (const effect of effects) {
      switch (effect.do) {
        case "create-successor":
          this.#createVersion(effect.version, rotation);
          break;
        case "set-state":
          this.#alter(effect.version, (version) => withState(version, effect.state, this.now));
          break;
        case "set-current":
          this.key = { ...this.key, currentVersion: effect.version };
          break;
        case "mark-compromised":
          this.raise("key.compromised", { version: effect.version, reason }, rotation?.id);
          this.#alter(effect.version, (version) => ({ ...version, compromised: true }));
          break;
        case "set-fence":
          this.setFence(effect.version, effect.fence);
          break;
        case "set-brownout":
          this.#alter(effect.version, (version) => ({ ...version, brownoutUntil: effect.until }));
          break;
        case "erase-sealed":
          this.#eraseSealed(effect.version);
          break;
        case "replace":
          this.startRotation({
            from: effect.version,
            reason: effect.reason,
            compromised: this.#versions.get(effect.version)?.state === "retired" ? "kill" : "contain",
          });
          break;
      }
    }
  }

  /** After a restore: what verifiers remember takes the place of what was read. */
  become(remembered: Remembered): void {
    const { key, versions, rotation, ended, unsealed, rotationBefore } = remembered;
    this.key = key;
    this.#versions.clear();
    for (const version of versions) this.#versions.set(version.number, version);
    if (ended !== undefined) this.#fresh.push(put("rotation", ended, this.#state.rotation));
    this.rotation = rotation;
    this.#takenUpAgain = rotationBefore;
    for (const id of unsealed) this.#fresh.push({ remove: "sealed", id });
  }

  /** The key's numbers up to this one belong to secrets that it has had: what is made from now on gets others. */
  takeNumbers(last: number): void {
    const { rotation } = this;
    this.key = { ...this.key, nextVersion: Math.max(this.key.nextVersion, last + 1) };
    if (rotation?.phase !== "planned" || rotation.to > last) return;
    this.rotation = { ...rotation, to: this.key.nextVersion };
    this.key = { ...this.key, nextVersion: this.key.nextVersion + 1 };
  }

  /** Verifiers are told, even if nothing that they see has changed. */
  tellAnew(): void {
    this.#tellAnew = true;
  }

  /** Something that belongs into the same commit. */
  also(...writes: Write[]): void {
    this.#fresh.push(...writes);
  }

  setFence(version: number, fence: Fence | null): void {
    this.#alter(version, (held) => ({ ...held, fence }));
  }

  /** Who could have seen a version's secret; `via`: where the key spoke for itself, by which version. */
  custodian(version: number, how: CustodyWay, via: number | null = null): Custodian {
    const { actor: who } = this.#tools;
    const rotationId = how === "claimed" ? (this.rotation?.id ?? null) : null;
    return versionCustodian({ who, how, keyId: this.key.id, version, rotationId, via, at: this.now });
  }

  /** The first version, or a successor. The secret is sealed until its holder has proven that it got it. */
  #createVersion(number: number, rotation: Rotation | undefined): void {
    const { world, custody, actor } = this.#tools;
    const handedIn = this.#handedIn;
    const id = makeHandle("version", this.now, world.random);
    let sha256 = handedIn;
    if (sha256 === undefined) {
      const text = makeKeyText(this.#state.api.prefix, this.key.environment, world.random);
      sha256 = sha256Text(text);
      const envelope = custody.seal(new Secret(text), { owner: this.key.id, version: number, purpose: "claim" });
      const claimMs = (rotation?.policy ?? this.#policy?.rotation ?? this.#tools.policy).claimMs;
      const sealed = {
        id,
        keyId: this.key.id,
        version: number,
        rotationId: rotation?.id ?? null,
        envelope,
        expiresAt: this.now + claimMs,
        createdAt: this.now,
      };
      this.#fresh.push(put("sealed", sealed));
    }
    if (handedIn !== undefined) this.also(put("custodian", this.custodian(number, "handed-in")));
    else if (rotation === undefined) this.also(put("custodian", this.custodian(number, "created")));
    this.#versions.set(number, {
      id,
      keyId: this.key.id,
      number,
      state: "pending",
      sha256,
      compromised: false,
      fence: null,
      scopes: rotation?.scopes ?? null,
      origin: handedIn === undefined ? "authority" : "consumer",
      createdAt: this.now,
      createdBy: actor,
      activatedAt: null,
      retiringAt: null,
      retiredAt: null,
      destroyedAt: null,
    });
  }

  /** A first version was used: its holder has it, so the sealed copy goes. A successor's goes with the rotation's `used`. */
  eraseProvenSecret(number: number): void {
    const version = this.#versions.get(number);
    if (version === undefined || this.rotation?.to === number) return;
    if (!this.#state.sealed.some(({ value }) => value.id === version.id)) return;
    this.#fresh.push({ remove: "sealed", id: version.id });
    this.note("secret.erased", { version: number });
  }

  createFirstVersion(sha256: string | undefined): Version {
    this.#handedIn = sha256;
    this.#createVersion(1, undefined);
    this.#alter(1, (version) => withState(version, "active", this.now));
    return this.#versions.get(1) as Version;
  }

  #alter(number: number, change: (version: Version) => Version): void {
    const version = this.#versions.get(number);
    if (version !== undefined) this.#versions.set(number, change(version));
  }

  #eraseSealed(number: number): void {
    const version = this.#versions.get(number);
    if (version !== undefined) this.#fresh.push({ remove: "sealed", id: version.id });
  }

  /** The rotation that runs after this change. */
  running(): Rotation | undefined {
    return [this.#replacement, this.rotation].find((rotation) => rotation?.endedAt === null);
  }

  /** The rotations that this change began, moved or ended. */
  rotationsTouched(): string[] {
    return [this.rotation, this.#replacement].flatMap((rotation) => (rotation === undefined ? [] : [rotation.id]));
  }

  batch(): Batch {
    const { api, key, versions, rotation } = this.#state;
    const writes: Write[] = [...this.#fresh];
    // Always: the key's revision stands for all that belongs to it. Else two changes, one of the key and one of its rotation,
    // could both be taken, and the record made from the older picture would be the newer one in the feed.
    writes.push(put("key", this.key, key));
    for (const version of this.#versions.values()) {
      const before = versions.find(({ value }) => value.number === version.number);
      if (before?.value !== version) writes.push(put("version", version, before));
    }
    if (this.rotation !== undefined && this.rotation !== rotation?.value) {
      const { id } = this.rotation;
      const held = [rotation, this.#takenUpAgain].find((each) => each?.value.id === id);
      writes.push(put("rotation", this.rotation, held));
    }
    if (this.#replacement !== undefined) writes.push(put("rotation", this.#replacement));
    const record = recordOf(this.key, this.versions(), this.#replacement ?? this.rotation);
    const before = recordOf(
      key.value,
      versions.map(({ value }) => value),
      rotation?.value,
    );
    const visible = this.#tellAnew || key.rev === 0 || JSON.stringify(record) !== JSON.stringify(before);
    return {
      writes,
      checks: [...this.#checks, ...this.#reliedOn],
      audit: this.#audit,
      feed: visible ? [{ apiId: api.id, record }] : [],
      notices: this.#told(),
    };
  }

  /**
   * Whether a leaked version is refused or only limited is known once all is collected. What was known before is told again only if it was
   * limited and is refused now.
   */
  #told(): NoticeDraft[] {
    const before = new Map(this.#state.versions.map(({ value }) => [value.number, value]));
    return this.#notices.flatMap((draft) => {
      const number = Number(draft.details.version);
      const [was, version] = [before.get(number), this.#versions.get(number)];
      if (draft.event !== "key.compromised" || version === undefined) return [draft];
      const refused = !isAccepted(version.state);
      if (was?.compromised === true && !(isAccepted(was.state) && refused)) return [];
      return [{ ...draft, details: { ...draft.details, refused } }];
    });
  }
}

function calendarOf(policy: ResolvedPolicy | undefined): Rotation["calendar"] {
  if (policy === undefined) return null;
  const { blackouts, holidays } = policy.schedule;
  return blackouts.length === 0 && holidays.length === 0 ? null : { blackouts, holidays };
}
