/**
 * Where an api's replica comes from, and what keeps it level with the authority: this verifier's own follower with its disk (below), or another
 * thread's (threads/thread-following.ts).
 */
import type { KeyRecord, PlanRecord, Welcome, World } from "@keyover/core";
import type { Answer, AuthorityCalls, Refusal } from "./authority-calls.ts";
import type { DiskHead, ReplicaDisk } from "./disk.ts";
import type { FlatReplica } from "./flat/flat-replica.ts";
import { Follower } from "./follower.ts";
import type { AuthorityClock, Lease } from "./lease.ts";
import type { Limiter } from "./limits/limiter.ts";
import type { Replica } from "./replica.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import { Sharing } from "./threads/sharing.ts";
import type { ApiEnds } from "./threads/thread-following.ts";

/** What a replica began with. */
export interface Opened {
  api: DiskHead["api"];
  environments: readonly string[];
  /** It may be used at once, without the authority. */
  restored: boolean;
}

/** What an answer to a miss brought. */
export interface Brought {
  record: KeyRecord;
  /** That it may be of. */
  plans: readonly PlanRecord[];
  /** Their numbers are of the feed that is followed. */
  fresh: boolean;
}

export interface Following {
  readonly replica: Replica;
  readonly phase: string;
  /** Entries that the authority has and the replica lacks, as far as is known. */
  readonly lag: number;
  /** Every entry up to here is applied, and on disk if there is one. */
  readonly acknowledged: number;
  /** The authority compares what we hold with a restored database: nothing may come in by the side. */
  readonly reconciling: boolean;
  /** Whose numbers they are. */
  readonly epoch: string;
  /** Settles when the registration that is under way was answered, or given up. */
  readonly registering: Promise<unknown> | undefined;
  /** Fills the replica with what there is without the authority. Before all else. */
  open(): Promise<Opened | undefined>;
  run(): void;
  /** False: nobody took it, in time. */
  bring(brought: Brought): boolean | Promise<boolean>;
  /** The lease was renewed. */
  granted(): void;
  bootOver(boot: string, code: string): void;
  /** Forgets everything: it was another api's. */
  clear(): void;
  /** Says nothing more to the authority. */
  stop(): void;
  /** Nothing is written any more. */
  close(): Promise<void>;
}

export interface FollowingParts {
  world: World;
  calls: AuthorityCalls;
  lease: Lease;
  clock: AuthorityClock;
  limiter: Limiter;
  software: string;
  onAck: (answer: Answer) => void;
  onWelcome: (welcome: Welcome, boot: string) => void;
  /** The authority has registered this boot, which was stopped meanwhile. */
  onLateWelcome: (welcome: Welcome, boot: string) => void;
  onLevel: () => void;
  onFailure: (refusal: Refusal) => void;
  /** Nobody keeps the replica level any more: another did, and has ended. */
  onGone: () => void;
}

export interface OwnOptions {
  api: string;
  disk: ReplicaDisk | undefined;
  instance: string | undefined;
  fallbackInstance: string;
}

/** By the feed, with a disk of its own if there is one. */
export class OwnFollowing implements Following {
  readonly replica: FlatReplica;
  readonly #parts: FollowingParts;
  readonly #options: OwnOptions;
  #follower: Follower | undefined;
  #keeper: ReplicaKeeper | undefined;
  #instance = "";
  #sharing: Sharing | undefined;

  constructor(replica: FlatReplica, parts: FollowingParts, options: OwnOptions) {
    this.replica = replica;
    this.#parts = parts;
    this.#options = options;
  }

  get phase(): string {
    return this.#follower?.phase ?? "starting";
  }

  get lag(): number {
    return this.#follower?.lag ?? 0;
  }

  get acknowledged(): number {
    return this.#follower?.acknowledged ?? 0;
  }

  get reconciling(): boolean {
    return this.#follower?.reconciling === true;
  }

  get epoch(): string {
    return this.#keeper?.epoch ?? "";
  }

  get registering(): Promise<unknown> | undefined {
    return this.#follower?.registering;
  }

  /** The verifier's name, once `open` has answered. */
  get instance(): string {
    return this.#instance;
  }

  async open(): Promise<Opened | undefined> {
    const { disk, api, instance, fallbackInstance } = this.#options;
    const [parts, { replica }] = [this.#parts, this];
    const state = await disk?.load(api);
    this.#instance = instance ?? state?.head.instance ?? fallbackInstance;
    const keeper = new ReplicaKeeper({ ...parts, disk, api, instance: this.#instance, replica });
    this.#keeper = keeper;
    const restored = state !== undefined && keeper.restore(state);
    const sharing = new Sharing({ ...parts, replica, keeper, lag: () => this.lag });
    this.#sharing = sharing;
    this.#follower = new Follower({
      ...parts,
      onWelcome: (welcome, boot) => {
        sharing.serves(welcome);
        parts.onWelcome(welcome, boot);
      },
      onLevel: () => {
        sharing.level();
        parts.onLevel();
      },
      onMoved: (awaited) => sharing.moved(awaited),
      replica,
      keeper,
      instance: this.#instance,
      // None, if the file was taken from a process that goes on (standalone/slots.ts).
      replaces: state?.head.boot || undefined,
    });
    if (state === undefined) return undefined;
    sharing.began(state.head, restored);
    const { api: found, environments } = state.head;
    return { api: found, environments, restored };
  }

  run(): void {
    void this.#follower?.run();
  }

  bring({ record, plans, fresh }: Brought): boolean {
    // Before the key that has one. The feed may bring it later, and then an older word of it changes nothing.
    for (const plan of plans) this.replica.plans.put(plan);
    this.replica.put(record);
    if (fresh) this.#keeper?.holdsToo(record);
    return true;
  }

  granted(): void {
    this.#keeper?.granted();
  }

  bootOver(boot: string, code: string): void {
    this.#follower?.bootOver(boot, code);
  }

  clear(): void {
    this.replica.clear();
  }

  stop(): void {
    this.#follower?.close();
  }

  async close(): Promise<void> {
    this.#sharing?.close();
    await this.#keeper?.close();
  }

  /** What another thread of this process needs to read the replica; undefined: too many do. After `open` has answered. */
  share(): ApiEnds | undefined {
    return this.#sharing?.attach(this.#instance, ({ brought }) => this.bring(brought));
  }
}
