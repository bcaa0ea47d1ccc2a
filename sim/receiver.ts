/**
 * Somebody's program that gets webhooks, on a machine of its own behind the network. It checks that what comes under one handle is always the
 * same, and what is sent to it is looked at with the secrets that it was given.
 *
 *     well      takes everything
 *     flaky     now and then refuses, redirects, asks for patience, or is slow; its name can't be resolved for a while
 *     hangs     takes the connection and never answers, until the end
 *     gone      answers 410 once
 *     dead      refuses until its operator mends it, after everybody has given up
 *     inside    its name leads into the authority's own network for a while
 */
import { createHmac } from "node:crypto";
import type { Chance } from "./chance.ts";
import type { Model } from "./model.ts";
import type { Server } from "./network.ts";
import { Machine, type Process } from "./process.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

export const tempers = ["well", "flaky", "hangs", "gone", "dead", "inside"] as const;
export type Temper = (typeof tempers)[number];

export interface ReceiverParts {
  name: string;
  temper: Temper;
  model: Model;
  chance: Chance;
  start: (machine: Machine) => Process;
}

/** Of all apis here. */
export const KEY_TEXT: RegExp = /mk\d_[a-z]+_[0-9A-Za-z]{38}/;
const PUBLIC = "93.184.215.14";
const INSIDE = "10.1.2.3";

export class Receiver implements Server {
  readonly machine: Machine;
  process: Process | undefined;
  temper: Temper;
  /** Its channel, once it is made. */
  channel = "";
  /** Their channel, not a consumer's. */
  operators = true;
  /** Those that it was given, and until when it goes by each. */
  readonly #secrets = new Map<string, number>();
  readonly #model: Model;
  readonly #chance: Chance;

  constructor({ name, temper, model, chance, start }: ReceiverParts) {
    this.machine = new Machine(name);
    this.temper = temper;
    this.#model = model;
    this.#chance = chance;
    this.process = start(this.machine);
  }

  get url(): string {
    return `https://${this.machine.name}/keyover`;
  }

  /** It was given this one. `alone`: it throws the others away. */
  learn(secret: string, alone: boolean): void {
    if (alone)
      for (const [other, until] of this.#secrets) this.#secrets.set(other, Math.min(until, this.#model.time.at));
    this.#secrets.set(secret, Number.POSITIVE_INFINITY);
  }

  readonly repeatable = (): boolean => true;

  /** What the DNS says now. */
  addresses(): string[] {
    if (this.temper === "flaky" && this.#chance.happens(0.1))
      throw Object.assign(new Error("no"), { code: "ENOTFOUND" });
    if (this.temper !== "inside") return [PUBLIC];
    return this.#chance.pick([[INSIDE], [PUBLIC, INSIDE], [PUBLIC]]);
  }

  /**
   * As it is sent: it is signed with a secret that this receiver went by at some moment since `since`, when the sender may have read which
   * they are. Who throws the old one away as soon as he has the new one refuses what was under way, and gets it again.
   */
  checkSigned(headers: Record<string, string>, body: string, since: number): void {
    const id = headers["webhook-id"];
    const text = `${id}.${headers["webhook-timestamp"]}.${body}`;
    const given = (headers["webhook-signature"] ?? "").split(" ");
    const known = [...this.#secrets].filter(([, until]) => until > since).map(([secret]) => signatureOf(secret, text));
    // A restored database has the secrets of then.
    if (this.#model.restoredAt.length > 0 || known.some((each) => given.includes(each))) return;
    const name = this.machine.name;
    this.#model.fail("L4", undefined, `${name}: notice ${id} is signed with no secret that its receiver goes by`);
  }

  /** Whether something sent to these addresses may arrive; the way to our own network is none. */
  checkWay(addresses: readonly string[]): void {
    if (addresses.length === 0 || addresses.some((address) => address !== PUBLIC))
      this.#model.fail("SSRF", undefined, `a notice is sent to ${addresses.join(", ")}`);
  }

  /** From now on it takes everything. */
  mend(): void {
    this.temper = "well";
  }

  async handle({ headers, body = "" }: WireRequest): Promise<WireAnswer> {
    const answer = await this.#answer();
    const id = headers["webhook-id"] ?? "";
    this.#check(id, body, answer.status);
    return answer;
  }

  #check(id: string, body: string, status: number): void {
    const { mail, time, history } = this.#model;
    const name = this.machine.name;
    const fail = (what: string) => this.#model.fail("L4", undefined, `${name}: notice ${id} ${what}`);
    const accepted = status >= 200 && status < 300;
    history.note(name, `${accepted ? "takes" : "refuses"} ${id}`);
    const restored = this.#model.restoredAt.length > 0;
    if (KEY_TEXT.test(body)) this.#model.fail("I15", undefined, `${name}: notice ${id} holds a key's text`);
    const { data } = JSON.parse(body) as { data: { id: string; events?: { id: string }[] } };
    const events = (data.events ?? [data]).map((event) => event.id);
    const before = mail.arrivals.get(id)?.[0];
    const wanted = mail.notices.get(id);
    // It may have taken back that this was sent, or that there ever was one.
    if (!restored) {
      if (before !== undefined && before.body !== body) fail("comes again, and says something else");
      if (wanted === undefined) fail("is in no database");
      else if (wanted.events.join(" ") !== events.join(" ")) fail("brings other events than it should");
    }
    if (wanted !== undefined && wanted.channelId !== this.channel) fail("is another channel's");
    mail.arrived(id, { at: time.at, body, events, accepted, gone: status === 410 });
  }

  async #answer(): Promise<WireAnswer> {
    const chance = this.#chance;
    switch (this.temper) {
      case "well":
      case "inside":
        return said(200);
      case "hangs":
        // Mended, it has forgotten all about it.
        return new Promise(() => {});
      case "dead":
        return said(500);
      case "gone":
        this.temper = "well";
        return said(410);
      case "flaky": {
        if (chance.happens(0.6)) return said(200);
        const slow = chance.happens(0.3);
        if (slow) await this.#model.time.sleep(chance.between(500, 15_000));
        if (slow && chance.happens(0.5)) return said(204);
        return said(chance.pick([302, 404, 429, 500, 503]), chance.pick([undefined, "2", "20"]));
      }
    }
  }
}

function said(status: number, retryAfter?: string): WireAnswer {
  return { status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter }, body: "" };
}

/** As Standard Webhooks says. */
function signatureOf(secret: string, text: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
}
