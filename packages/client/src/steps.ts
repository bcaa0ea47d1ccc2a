/** What each state of changeover.ts does; the outcome is its next event. What a crash leaves between two writes: sidecar.ts. */
import type { Changeover, Log } from "@keyover/core";
import type { Answer, AuthorityCalls } from "./authority-calls.ts";
import type { ChangeoverEvent, Holds, Move, State } from "./changeover.ts";
import type { Holding } from "./holding.ts";
import type { Lock } from "./lock.ts";
import type { Probe } from "./probe.ts";
import { Secret } from "./secret.ts";
import { findOther, findSecret, type Sealed, type Sidecar, wayBack } from "./sidecar.ts";
import type { SecretSource } from "./source.ts";

export interface StepsDeps {
  source: SecretSource;
  calls: AuthorityCalls;
  holding: Holding;
  probe: Probe | undefined;
  /** The old version is refused for good: a disk that can't be written is no reason to stay. */
  stranded(): boolean;
  /** Another secret is current. */
  changed: (reason: ChangeReason, rotation: string | undefined) => void;
  problem: (code: string, detail: string) => void;
  log: Log;
}

export type ChangeReason = "rotated" | "rolled-back" | "source" | "refused";

const PUT_MEANWHILE = {
  code: "source_changed",
  detail: "another secret was put in place while a changeover was under way",
};

type Working = Exclude<State, { at: "resting" | "due" | "closed" }>;

export class Steps {
  readonly #deps: StepsDeps;
  #lock: Lock | undefined;
  /** The rotation whose secrets may be erased, because the authority said that it is over. */
  #over: string | undefined;
  #key: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: StepsDeps) {
    this.#deps = deps;
  }

  perform(state: Working): Promise<ChangeoverEvent> {
    switch (state.at) {
      case "asking":
        return this.#ask();
      case "locking":
        return this.#takeLock(state.move);
      case "claiming":
        return this.#claim(state.move);
      case "saving":
        return this.#save(state.move, state.successor);
      case "trying":
        return this.#try(state.move, state.successor);
      case "replacing":
        return this.#replace(state.move, state.successor);
      case "confirming":
        return this.#confirm(state.move);
      case "finishing":
        return this.#finish();
      case "erasing":
        return this.#erase();
      case "returning":
        return this.#putBack(state.refused);
    }
  }

  get key(): string | undefined {
    return this.#key;
  }

  async release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  /** Uses what somebody else put into the source. True if there was something. */
  look(find: () => Promise<Secret | undefined> = () => this.#deps.source.changed()): Promise<boolean> {
    return this.#inTurn(async () => this.#adopt(await find()));
  }

  /**
   * The source and what is in use change together, one thing after another. A look in the midst of another would find
   * nothing new while the old secret is still in use, and one in the midst of a replacement would take it for somebody
   * else's; either way the version in use was then saved under the number of the one before, and the way back was lost.
   */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #adopt(found: Secret | undefined): Promise<boolean> {
    const { holding, source, changed } = this.#deps;
    if (found === undefined || found.same(holding.current.secret)) return false;
    const sidecar = await source.sidecar().catch(() => undefined);
    const before = holding.current;
    const version = findSecret(sidecar, found)?.version;
    // What this process would have gone back to has been answered well; what it leaves has not.
    const isProven = holding.onTrial && found.same(holding.fallback?.secret);
    // Without a sidecar the secret in use is the way back: it worked until now.
    holding.swap({ secret: found, version }, wayBack(sidecar, found) ?? before, !isProven);
    changed("source", version === undefined ? undefined : sidecar?.rotation);
    return true;
  }

  async #ask(again = false): Promise<ChangeoverEvent> {
    const { source, calls, holding } = this.#deps;
    await this.look();
    const { secret } = holding.current;
    // Before asking: an answer says nothing of a rotation that another process took up while it travelled.
    const known = (await source.sidecar())?.rotation;
    const answer = await calls.changeover(secret);
    if (!answer.ok) return this.#failed(answer);
    const { value } = answer;
    if (!secret.same(holding.current.secret)) return { type: "failed" }; // swapped meanwhile: the answer is of another
    holding.learn(secret, value.version);
    this.#key = value.key;
    const sidecar = await this.#sidecarOf(value.key);
    if (value.rotation === null && value.version === value.target) holding.dropFallback();
    const holds = this.#holds(value, sidecar, known, secret, await source.untidy());
    const isStuck = value.version !== value.target && !holds.target && value.rotation?.claimable !== true;
    // What a server refused once, and so was left, may be the successor that somebody else put there: nothing else leads on.
    if (isStuck && !again && (await this.look(() => source.present()))) return this.#ask(true);
    return { type: "answered", answer: value, holds };
  }

  /** `known`: the sidecar's rotation from before the authority was asked. If the answer does not have it, it is over. */
  #holds(
    { rotation, target }: Changeover,
    sidecar: Sidecar | undefined,
    known: string | undefined,
    secret: Secret,
    untidy: boolean,
  ): Holds {
    const over = sidecar !== undefined && sidecar.rotation === known && sidecar.rotation !== rotation?.id;
    this.#over = over ? sidecar.rotation : undefined;
    return {
      target: rotation !== null && findOther(sidecar, rotation.id, target, secret) !== undefined,
      unconfirmed: !over && (sidecar?.pending?.secret.same(secret) ?? false),
      leftovers: untidy || (over && (sidecar.previous !== undefined || sidecar.pending !== undefined)),
    };
  }

  async #takeLock(move: Move): Promise<ChangeoverEvent> {
    const { source, holding } = this.#deps;
    this.#lock = await source.lock();
    if (this.#lock === undefined) return { type: "busy" };
    if (await this.look()) return { type: "adopted" };
    const { secret, version } = holding.current;
    if (version !== move.from) return { type: "adopted" };
    const sidecar = await this.#sidecarOf(move.key);
    // Of this very rotation: a word that an earlier one is still owed must not be taken for this one's.
    if (sidecar?.rotation === move.rotation && sidecar.pending?.secret.same(secret)) return { type: "placed" };
    // It had only to be confirmed, and another process has done that while this one waited for the lock.
    if (move.to === version) return { type: "adopted" };
    const held = findOther(sidecar, move.rotation, move.to, secret);
    return held === undefined ? { type: "absent" } : { type: "held", successor: held.secret };
  }

  async #claim(move: Move): Promise<ChangeoverEvent> {
    const { calls, holding } = this.#deps;
    const answer = await calls.claim(move.rotation, holding.current.secret);
    if (!answer.ok) return this.#failed(answer);
    const { rotation, key, version } = answer.value;
    const successor = Secret.parse(answer.value.secret);
    const other = rotation !== move.rotation || key !== move.key || version !== move.to;
    if (other || successor === undefined || successor.same(holding.current.secret)) {
      return this.#failed({ code: "unreadable", detail: "the claim is of another rotation, key or version" });
    }
    return { type: "claimed", successor };
  }

  async #save(move: Move, successor: Secret): Promise<ChangeoverEvent> {
    const { source, log } = this.#deps;
    const { key, rotation } = move;
    return this.#inTurn(async () => {
      const current = this.#stillOn(move);
      if (current === undefined) return this.#failed(PUT_MEANWHILE);
      const pending = { secret: successor, version: move.to };
      if (source.warning !== undefined) log("warn", "key.not-saved", { rotation, reason: source.warning });
      await this.#write(() => source.writeSidecar({ key, rotation, current, previous: undefined, pending }));
      return { type: "saved" };
    });
  }

  async #try(move: Move, successor: Secret): Promise<ChangeoverEvent> {
    const { probe, source, holding, log } = this.#deps;
    if (probe === undefined || (await probe(successor))) return { type: "accepted" };
    log("error", "key.probe-refused", { rotation: move.rotation, version: move.to, stays: move.from });
    await this.#inTurn(() => source.write(holding.current.secret)); // where saving has put the successor there already
    return { type: "rejected" };
  }

  async #replace(move: Move, successor: Secret): Promise<ChangeoverEvent> {
    const { source, holding, probe, changed } = this.#deps;
    return this.#inTurn(async () => {
      const old = this.#stillOn(move);
      if (old === undefined) return this.#failed(PUT_MEANWHILE);
      await this.#write(() => source.write(successor));
      holding.swap({ secret: successor, version: move.to }, old, probe === undefined);
      changed(move.back ? "rolled-back" : "rotated", move.rotation);
      return { type: "replaced" };
    });
  }

  /** The version that is to be left, if it is still the one in use. */
  #stillOn(move: Move): Sealed | undefined {
    const { secret, version } = this.#deps.holding.current;
    return version === move.from ? { secret, version } : undefined;
  }

  async #confirm(move: Move): Promise<ChangeoverEvent> {
    const { calls, holding, log } = this.#deps;
    const answer = await calls.confirm(move.rotation, move.to, holding.current.secret);
    if (answer.ok) return { type: "confirmed" };
    if (!answer.final) return this.#failed(answer);
    // The authority needs no telling any more, or will not be told: the successor's first use says it as well.
    log("warn", "key.confirm-refused", { rotation: move.rotation, code: answer.code });
    return { type: "confirmed" };
  }

  async #finish(): Promise<ChangeoverEvent> {
    const { source } = this.#deps;
    const sidecar = await source.sidecar();
    if (sidecar?.pending !== undefined) {
      const { pending, current } = sidecar;
      await this.#write(() =>
        source.writeSidecar({ ...sidecar, current: pending, previous: current, pending: undefined }),
      );
    }
    return { type: "finished" };
  }

  /** Forgets what belongs to a rotation that is over, unless another process has begun the next one meanwhile. */
  async #erase(): Promise<ChangeoverEvent> {
    const { source, holding, log } = this.#deps;
    this.#lock = await source.lock();
    if (this.#lock === undefined) return { type: "busy" };
    const sidecar = await source.sidecar();
    const current = findSecret(sidecar, holding.current.secret);
    if (sidecar !== undefined && current !== undefined && sidecar.rotation === this.#over) {
      await source.writeSidecar({ ...sidecar, current, previous: undefined, pending: undefined });
      log("info", "key.previous-erased", { rotation: sidecar.rotation, version: current.version });
    }
    return { type: "finished" };
  }

  /** Requests were refused with the successor, and this process went back. Others read the file: put the old secret there. */
  async #putBack(refused: Secret): Promise<ChangeoverEvent> {
    const { source, holding } = this.#deps;
    this.#lock = await source.lock();
    if (this.#lock === undefined) return { type: "busy" };
    return this.#inTurn(async () => {
      if (await this.#adopt(await source.changed())) return { type: "returned" };
      const sidecar = await source.sidecar();
      const pending = findSecret(sidecar, refused);
      const current = findSecret(sidecar, holding.current.secret);
      // What a person put into the file by hand is not replaced.
      if (sidecar !== undefined && pending !== undefined && current !== undefined) {
        await source.writeSidecar({ ...sidecar, current, previous: undefined, pending });
        await source.write(current.secret);
      }
      return { type: "returned" };
    });
  }

  async #sidecarOf(key: string): Promise<Sidecar | undefined> {
    const sidecar = await this.#deps.source.sidecar();
    return sidecar?.key === key ? sidecar : undefined;
  }

  async #write(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!this.#deps.stranded()) throw error;
      const reason = "the successor can't be saved and the old version is refused: going on from memory";
      this.#deps.log("error", "key.not-saved", { reason });
    }
  }

  #failed({ code, detail }: Pick<Extract<Answer<never>, { ok: false }>, "code" | "detail">): ChangeoverEvent {
    this.#deps.problem(code, detail);
    return { type: "failed" };
  }
}
