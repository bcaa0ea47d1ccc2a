/** What operators do about channels and notices, at bad moments: look after one, send one again, turn a channel off and on, wish for something else. */
import type { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import type { NoticeDeed } from "./control-options.ts";
import type { Model } from "./model.ts";
import type { Options } from "./options.ts";
import type { Receiver } from "./receiver.ts";

export interface NoticeDeedsParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
  receivers: Receiver[];
}

export class NoticeOperators {
  readonly done = new Map<string, number>();
  readonly #parts: NoticeDeedsParts;
  #over = false;

  constructor(parts: NoticeDeedsParts) {
    this.#parts = parts;
  }

  begin(): void {
    const { model, options, chance } = this.#parts;
    if (options.noticeDeeds.length === 0) return;
    model.time.after(options.noticeDeedEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      void this.#deed(chance.pick(options.noticeDeeds));
      this.begin();
    });
  }

  stop(): void {
    this.#over = true;
  }

  async #deed(kind: NoticeDeed): Promise<void> {
    const { model, chance, callers, receivers } = this.#parts;
    const caller = chance.pick(callers);
    const receiver = chance.pick(receivers);
    const path = `/v1/channels/${receiver.channel}`;
    const name = `notices: ${kind}`;
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    if (kind === "acknowledge" || kind === "resend") {
      const all = [...model.mail.notices.values()].filter(({ state }) => kind === "acknowledge" || state !== "waiting");
      const notice = all.length === 0 ? undefined : chance.pick(all);
      if (notice !== undefined) await caller.call("POST", `/v1/notices/${notice.id}/${kind}`, {});
    } else if (kind === "disable") {
      await caller.call("PATCH", path, { enabled: false });
      model.time.after(chance.between(0, 3_000), () => void caller.call("PATCH", path, { enabled: true }));
    } else if (kind === "wishes") {
      const events = chance.pick([["*"], ["rotation.*"], ["key.*"]]);
      await caller.call("PATCH", path, { events, severity: chance.pick(["info", "info", "warning"]) });
    } else if (kind === "new-secret") await this.#newSecret(caller, receiver, path);
    else if (chance.happens(0.2)) await caller.call("DELETE", path);
  }

  /** The receiver is given the new one and then, if nothing got lost, the old one ends. */
  async #newSecret(caller: Caller, receiver: Receiver, path: string): Promise<void> {
    const { chance } = this.#parts;
    const reply = await caller.call("POST", `${path}/rotate-secret`, {});
    const secret = reply?.status === 200 ? (reply.body.secret as string | null) : null;
    if (secret === null) return;
    receiver.learn(secret, chance.happens(0.5));
    if (chance.happens(0.5)) await caller.call("POST", `${path}/end-old-secret`, {});
  }
}
