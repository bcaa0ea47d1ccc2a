/**
 * A consumer: one host with one key and one to five instances that make requests. Most hold it with the real client, which changes over by
 * itself. The others are people with a text editor:
 *
 *     by-hand   somebody takes the successor and puts it into each instance, one after the other, late
 *     never     nobody does
 *     partly    somebody does, for three of five
 *     back      somebody does, takes it back after a while, and does it again
 */

import { createKeyHolder, type KeyHolder } from "@keyover/client";
import { parseRotationHeader, sha256Text } from "@keyover/core";
import { TestPlatter } from "../packages/client/src/client.test-world.ts";
import { SCOPES } from "./api-server.ts";
import { Caller } from "./caller.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { ConsumerPlan } from "./options.ts";
import { Machine, type Process } from "./process.ts";

export interface ConsumerParts {
  name: string;
  key: string;
  secret: string;
  token: string;
  plan: ConsumerPlan;
  authorityUrl: () => string;
  /** A server to send a request to, or undefined if there is none. */
  apiHost: () => string | undefined;
  model: Model;
  network: Network;
  start: (machine: Machine, name: string, about: string) => Process;
}

const FILE = "/etc/bot/key";
const TIMEOUT_MS = 6_000;

interface Instance {
  name: string;
  process: Process | undefined;
  holder: KeyHolder | undefined;
  /** Put there by hand, in this change over. */
  secret: string;
  turn: number;
  pid: number;
  silentUntil: number;
}

export class Consumer {
  readonly machine: Machine;
  readonly key: string;
  readonly plan: ConsumerPlan;
  readonly platter = new TestPlatter();
  readonly instances: Instance[];
  diskFull = false;
  /** Only while this key is in rotation, at the end, when nothing else is of interest. */
  quietly = false;
  /** Who sleeps does not wake up any more by itself. */
  fast = false;
  #sleeping = false;
  #turnsAt = 0;
  readonly #parts: ConsumerParts;
  readonly #alive = new Set<number>();
  #pids = 100;
  /** The rotation that somebody has taken care of. */
  #handled = "";
  #turns = 0;
  /** Successors that somebody took, kept where the next one finds them. */
  readonly #vault = new Map<string, string>();
  #hand: Caller | undefined;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.key = parts.key;
    this.plan = parts.plan;
    this.machine = new Machine(parts.name);
    this.platter.put(FILE, `${parts.secret}\n`);
    this.instances = Array.from({ length: parts.plan.instances }, (_, i) => ({
      name: `${parts.name}.${i + 1}`,
      process: undefined,
      holder: undefined,
      secret: parts.secret,
      turn: 0,
      pid: 0,
      silentUntil: 0,
    }));
  }

  /** Somebody who speaks for it at the authority. */
  get hand(): Caller | undefined {
    return this.#hand;
  }

  get cooperative(): boolean {
    return this.plan.kind !== "never" && this.plan.kind !== "partly";
  }

  start(): void {
    const { start, network, token, authorityUrl } = this.#parts;
    if (!this.#hand?.process.alive) {
      this.#handled = "";
      this.#hand = new Caller(start(this.machine, `${this.machine.name}.hand`, this.key), network, token, authorityUrl);
    }
    for (const instance of this.instances) this.#startInstance(instance);
  }

  kill(powerCut: boolean): void {
    for (const instance of this.instances) {
      this.#alive.delete(instance.pid);
      instance.process?.kill();
    }
    if (powerCut) this.platter.powerCut();
  }

  #startInstance(instance: Instance): void {
    if (instance.process?.alive) return;
    const { start, network, token, authorityUrl, plan } = this.#parts;
    const process = start(this.machine, instance.name, this.key);
    instance.process = process;
    instance.pid = ++this.#pids;
    this.#alive.add(instance.pid);
    const pid = instance.pid;
    process.onDeath(() => this.#alive.delete(pid));
    if (plan.kind === "holder") {
      process.clock.after(0, () => {
        instance.holder = createKeyHolder({
          source: { file: FILE },
          authority: { url: authorityUrl(), ...(plan.claim === "self" ? {} : { token }) },
          instance: plan.named ? instance.name : this.machine.name,
          world: process.world(network.fetchOf(process)),
          host: {
            name: this.machine.name,
            pid,
            place: this.machine.name,
            alive: (other) => this.#alive.has(other),
            env: () => undefined,
          },
          disk: this.platter.disk((torn) => this.#diskStep(process, torn)),
        });
      });
    }
    this.#requestLater(instance, process);
  }

  /** Before each effect on the disk. A process that dies while it writes leaves half a file. */
  #diskStep(process: Process, torn: (() => void) | undefined): Promise<void> {
    const step = process.effect("file", async () => {
      if (this.diskFull && torn !== undefined) throw Object.assign(new Error("full"), { code: "ENOSPC" });
    });
    if (!process.alive && process.chance.happens(0.5)) torn?.();
    return step;
  }

  #requestLater(instance: Instance, process: Process): void {
    const pause = this.plan.everyMs * process.chance.between(0.5, 1.5);
    process.clock.after(pause, () => {
      const rotating = this.#parts.model.keys.get(this.key)?.key.rotationId !== null;
      const silent = process.time.at < instance.silentUntil || this.#sleeps(process);
      if (!silent && (rotating || !this.quietly)) void this.#request(instance, process);
      this.#requestLater(instance, process);
    });
  }

  /** By turns, all of its instances. */
  #sleeps({ chance, time }: Process): boolean {
    if (!this.plan.sleeps || this.quietly) return false;
    if (time.at < this.#turnsAt) return this.#sleeping;
    this.#sleeping = this.fast || !this.#sleeping;
    this.#turnsAt = time.at + (this.#sleeping ? chance.between(6_000, 25_000) : chance.between(1_000, 4_000));
    return this.#sleeping;
  }

  async #request(instance: Instance, process: Process): Promise<void> {
    const { apiHost, network, model, key } = this.#parts;
    const host = apiHost();
    if (host === undefined) return;
    const refused = this.plan.narrow && instance !== this.instances[0];
    const path = refused ? SCOPES[1] : process.chance.pick(SCOPES);
    const abort = new AbortController();
    const disarm = process.clock.after(TIMEOUT_MS, () => abort.abort());
    const headers = { "user-agent": `${this.machine.name}/1` };
    try {
      const response =
        instance.holder !== undefined
          ? await instance.holder.fetch(`https://${host}/${path}`, { headers, signal: abort.signal })
          : await network.fetchOf(process)(`https://${host}/${path}`, {
              headers: {
                ...headers,
                authorization: `Bearer ${instance.secret}`,
                ...(this.plan.named ? { "keyover-instance": instance.name } : {}),
              },
              signal: abort.signal,
            });
      if (instance.holder === undefined) await this.#turnedAway(instance, process, response);
      if (response.status === 401) {
        model.counts.lost++;
        model.history.note(instance.name, "was refused, and found no way", key);
        this.#checkLost(instance.name);
      }
      if (instance.holder === undefined) this.#hear(response.headers.get("keyover-rotation"));
    } catch {
      // No answer: the network's doing, not the key's.
    } finally {
      disarm();
    }
  }

  /** A person whose program is turned away for a while, and says so, may leave it alone for longer. */
  async #turnedAway(instance: Instance, { chance, time }: Process, response: Response): Promise<void> {
    if (response.status !== 401 && response.status !== 403) return;
    const { code } = JSON.parse(await response.text()) as { code?: string };
    const limited = code === "key_brownout" || code === "key_fenced";
    if (limited && chance.happens(0.5)) instance.silentUntil = time.at + chance.between(2_000, 15_000);
  }

  /** The client's promise: while only evidence ends versions, who holds the key with it is not locked out. */
  #checkLost(name: string): void {
    const { model, key } = this.#parts;
    const held = this.plan.kind === "holder" && this.plan.policy.onDeadline === "hold";
    const past = model.keys.get(key);
    if (held && model.settled && past?.undisturbed === true && past.browned !== true)
      model.fail("I1", key, `${name} is locked out, and nobody did anything to its key`);
  }

  #hear(header: string | null): void {
    const rotation = parseRotationHeader(header);
    if (rotation === undefined || this.plan.kind === "never" || rotation.target === rotation.version) return;
    if (this.#handled === `${rotation.id} ${rotation.target}`) return;
    this.#handled = `${rotation.id} ${rotation.target}`;
    void this.#changeByHand(rotation.id, this.#handled);
  }

  async #claim(hand: Caller, rotation: string): Promise<string | undefined> {
    const reply = await hand.call("POST", `/v1/rotations/${rotation}/claim`, {});
    if (reply?.status !== 200) return undefined;
    const { secret } = reply.body as { secret: string };
    const known = this.#parts.model.secrets.get(sha256Text(secret));
    if (known?.key.id !== this.key) this.#parts.model.fail("I6", this.key, "a claim brought another key's secret");
    this.#vault.set(rotation, secret);
    return secret;
  }

  async #changeByHand(rotation: string, handled: string): Promise<void> {
    const hand = this.#hand as Caller;
    const { chance, clock } = hand.process;
    const secret = this.#vault.get(rotation) ?? (await this.#claim(hand, rotation));
    if (secret === undefined) {
      clock.after(1_500, () => {
        if (this.#handled === handled) this.#handled = "";
      });
      return;
    }
    const turn = ++this.#turns;
    const moving = this.plan.kind === "partly" ? Math.ceil(0.6 * this.instances.length) : this.instances.length;
    for (const instance of this.instances.slice(0, moving)) {
      const old = instance.secret;
      const put = (text: string, afterMs: number) =>
        clock.after(afterMs, () => {
          // Who is late does not undo what a later changeover has put there.
          if (turn >= instance.turn) Object.assign(instance, { secret: text, turn });
        });
      const moveAt = chance.between(0, 3_000);
      put(secret, moveAt);
      if (this.plan.kind !== "back" || !chance.happens(0.5)) continue;
      put(old, moveAt + 1_500);
      put(secret, moveAt + chance.between(2_000, 6_000));
    }
  }
}
