/**
 * Somebody leaves: what they could have seen, and its replacement.
 *
 *     who? ─▶ reach ─▶ shown, and no more; or: their tokens revoked, one commit each ─▶ a campaign for the keys
 *
 * Tokens go first: with one of them somebody could take the successors. Each step done again changes nothing, so a crash in between is
 * mended by asking again.
 */
import type { Campaign, CampaignAction, KeySelection, World } from "@keyover/core";
import type { CampaignDesk } from "../campaigns/campaign-desk.ts";
import type { Command } from "../keys/key-desk.ts";
import type { Tokens } from "../keys/tokens.ts";
import { accept, type Outcome } from "../outcome.ts";
import type { Store } from "../store/store.ts";
import { type Reach, type ReachedToken, reachOf } from "./reach.ts";
import { findWho } from "./who.ts";

export interface WantedOffboarding {
  mode: CampaignAction;
  reason: string;
  /** Only what was shown to their own tokens. */
  direct: boolean;
  /** Tokens that they have made for others are revoked too. */
  revokeMade: boolean;
}

export interface Offboarded {
  who: string;
  mode: CampaignAction;
  /** Tokens that are refused from now on. */
  revoked: string[];
  /** Tokens that still work. */
  left: { token: string; why: string }[];
  /** What replaces the keys; null: there was nothing to replace. */
  campaign: string | null;
  /** Keys that it is for. */
  keys: number;
}

export interface Offboarding {
  reach(asked: string, direct: boolean): Promise<Outcome<Reach>>;
  /** `asker`: the token that asks. */
  offboard(
    asked: string,
    wanted: WantedOffboarding,
    asker: string,
    command: Command<Offboarded>,
  ): Promise<Outcome<Offboarded>>;
}

export interface OffboardingDeps {
  world: World;
  store: Store;
  tokens: Tokens;
  campaigns: Pick<CampaignDesk, "start">;
}

export function createOffboarding({ world, store, tokens, campaigns }: OffboardingDeps): Offboarding {
  const reach: Offboarding["reach"] = async (asked, direct) => {
    const who = await findWho(store, asked);
    return who.ok ? accept(await reachOf(store, who.value, world.clock.now(), direct)) : who;
  };

  const replace = async (found: Reach, { mode, reason, direct }: WantedOffboarding, command: Command<Campaign>) => {
    const wanted = {
      name: `offboard ${found.who.text}`.slice(0, 100),
      action: mode,
      select: selectionOf(found, direct),
      waves: [],
      gate: undefined,
      limits: undefined,
      pace: null,
      fence: null,
      reason,
    };
    const started = await campaigns.start(wanted, command);
    if (started.ok) return accept(started.value.id);
    // Revoked meanwhile.
    return started.code === "selection_empty" ? accept(null) : started;
  };

  return {
    reach,

    async offboard(asked, wanted, asker, { actor, remember }) {
      const found = await reach(asked, wanted.direct);
      if (!found.ok) return found;
      const { who, tokens: reached } = found.value;
      const { mode, reason } = wanted;
      const working = reached
        .filter(({ works }) => works)
        .map((each) => ({ id: each.token.id, why: whyLeft(each, wanted, asker) }));
      const left = working.flatMap(({ id, why }) => (why === undefined ? [] : [{ token: id, why }]));
      const revoked = working.flatMap(({ id, why }) => (why === undefined ? [id] : []));
      const done: Offboarded = { who: who.text, mode, revoked, left, campaign: null, keys: keysOf(found.value, mode) };
      for (const id of revoked) {
        // The answer is kept in the last commit.
        const isLast = done.keys === 0 && id === revoked.at(-1);
        const command = { actor, remember: isLast && remember !== undefined ? () => remember(done) : undefined };
        const outcome = await tokens.revoke(id, command, { reason, offboarded: who.text });
        if (!outcome.ok) return outcome;
      }
      if (done.keys === 0) return accept(done);
      const answer = remember && (({ id: campaign }: Campaign) => remember({ ...done, campaign }));
      const replaced = await replace(found.value, wanted, { actor, remember: answer });
      return replaced.ok ? accept({ ...done, campaign: replaced.value }) : replaced;
    },
  };
}

/** What is being replaced already goes by itself, unless it is to be refused at once. */
function keysOf({ secrets }: Reach, mode: CampaignAction): number {
  const meant = secrets.filter(({ state, exposed }) => (mode === "rotate" ? state === "works" : exposed));
  return new Set(meant.map(({ key }) => key.id)).size;
}

/** A token that is not to be revoked. Whoever offboards themselves must be able to see it through. */
function whyLeft({ token, madeWith }: ReachedToken, { revokeMade }: WantedOffboarding, asker: string) {
  if (token.id === asker) return "it is the token that asks; let another administrator revoke it";
  if (madeWith === null || revokeMade) return undefined;
  return "it was made for others; give them another, then revoke it";
}

/** The same keys again when the campaign goes over them: by who, and not by a list of keys. */
function selectionOf({ who, tokens }: Reach, direct: boolean): KeySelection {
  if (who.consumers.length > 0) return { consumers: who.consumers.map(({ id }) => id) };
  const asked = direct ? tokens.filter(({ madeWith }) => madeWith === null) : tokens;
  return { custodians: asked.map(({ token }) => token.id) };
}
