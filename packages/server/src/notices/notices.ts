/** Notices as a whole: how they leave, the channels, and the office that sends them. */
import type { World } from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import type { ChannelKind } from "../store/notice-entities.ts";
import type { Fence, Store } from "../store/store.ts";
import { type Channels, createChannels } from "./channels.ts";
import { createEgress } from "./egress.ts";
import { createMailer, type MailConfig } from "./mailer.ts";
import { createPostOffice, type PostOffice, type PostOfficeDeps } from "./post-office.ts";
import { type Bases, createSend, publicBases } from "./senders.ts";

export interface NoticesConfig {
  mail?: MailConfig | undefined;
  /** Networks that may be sent to though they are not public, and without TLS. */
  allowedPrivate?: readonly string[] | undefined;
  /** Where Telegram and PagerDuty are, if not where everybody finds them. */
  bases?: Partial<Bases> | undefined;
  /** The addresses of a host; otherwise the DNS is asked. */
  resolve?: ((host: string) => Promise<string[]>) | undefined;
}

export interface Notices {
  office: PostOffice;
  channels: Channels;
}

export interface NoticesDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
  leads: () => { fence: Fence | undefined } | undefined;
  named: PostOfficeDeps["named"];
  count: (what: "sent" | "failed" | "dead", kind: ChannelKind) => void;
}

export function createNotices(deps: NoticesDeps, config: NoticesConfig = {}): Notices {
  const { world, store, desk, custody, leads, named, count } = deps;
  const { mail, allowedPrivate = [], resolve } = config;
  const send = createSend({
    egress: createEgress({ clock: world.clock, allowedPrivate, resolve }),
    mailer: mail === undefined ? undefined : createMailer(mail),
    bases: { ...publicBases, ...config.bases },
  });
  const channels = createChannels({
    world,
    store,
    desk,
    custody,
    send,
    allowedPrivate,
    hasMail: mail !== undefined,
    onChange() {
      office.forget();
      office.wake();
    },
  });
  const disable = (channelId: string, reason: string) => channels.disable(channelId, reason);
  const office = createPostOffice({ world, store, custody, send, leads, named, disable, count });
  return { office, channels };
}
