/**
 * Somebody leaves: what they could have seen, and its replacement.
 *
 *     who? ─▶ reach ─▶ shown, and no more; or: their tokens revoked, one commit each ─▶ reach again: a new token? ─▶ a campaign for the keys
 *                └───────────────────────────◀──────────────────────────────────────────────────┘ yes
 *
 * Tokens go first: with one of them somebody could take the successors, or make another token while theirs are being revoked. So it is
 * looked again until nothing new is there, and what the campaign is for is what was found last. Each step done again changes nothing, so a crash in
 * between is mended by asking again.
 */
import type { Campaign, CampaignAction, KeySelection, World } from "@keyover/core";
import type { CampaignDesk } from "../campaigns/campaign-desk.ts";
import type { Command, KeyDesk } from "../keys/key-desk.ts";
import type { Tokens } from "../keys/tokens.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Store } from "../store/store.ts";
import { type Reach, type ReachedToken, type ReachPage, reachOf, reachPage } from "./reach.ts";
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
  /** The part of it behind a cursor. */
  page(asked: string, wanted: Parameters<typeof reachPage>[3]): Promise<Outcome<ReachPage>>;
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
  tokens: Pick<Tokens, "revoke">;
  campaigns: Pick<CampaignDesk, "start">;
  desk: Pick<KeyDesk, "commit">;
}

/** Looks after revocations: each new token needs one that still worked after the look before. */
const ROUNDS_MAX = 10;

export function createOffboarding({ world, store, tokens, campaigns, desk }: OffboardingDeps): Offboarding {
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

  /** The answer is kept with the last commit; without a campaign that is a note of what was done. */
  const conclude = async (
    done: Offboarded,
    { reason }: WantedOffboarding,
    { actor, remember }: Command<Offboarded>,
  ) => {
    if (done.revoked.length === 0) return accept(done);
    const { who, mode, revoked, left } = done;
    const details = { who, mode, reason, revoked, left: left.map(({ token }) => token) };
    const outcome = await desk.commit({
      writes: [],
      audit: [{ at: world.clock.now(), actor, action: "custodian.offboarded", subjects: revoked, details }],
      feed: [],
      idempotency: remember?.(done),
    });
    return outcome.ok ? accept(done) : outcome;
  };

  return {
    reach,

    async page(asked, wanted) {
      const who = await findWho(store, asked);
      if (!who.ok) return who;
      const found = await reachPage(store, who.value, world.clock.now(), wanted);
      return found === undefined ? refuse("invalid_request", "the cursor is none of this list's") : accept(found);
    },

    async offboard(asked, wanted, asker, { actor, remember }) {
      const revoked: string[] = [];
      const first = await reach(asked, wanted.direct);
      if (!first.ok) return first;
      let found = first.value;
      let plan = planOf(found, wanted, asker);
      for (let round = 0; plan.revoke.length > 0 && round < ROUNDS_MAX; round++) {
        for (const id of plan.revoke) {
          const why = { reason: wanted.reason, offboarded: found.who.text };
          const outcome = await tokens.revoke(id, { actor }, why);
          if (!outcome.ok) return outcome;
          revoked.push(id);
        }
        const again = await reach(found.who.text, wanted.direct);
        if (!again.ok) return again;
        found = again.value;
        plan = planOf(found, wanted, asker);
      }
      // Somebody makes them faster than they are revoked.
      const left = [...plan.left, ...plan.revoke.map((token) => ({ token, why: "it was made meanwhile; ask again" }))];
      const done: Offboarded = {
        who: found.who.text,
        mode: wanted.mode,
        revoked,
        left,
        campaign: null,
        keys: keysOf(found, wanted.mode),
      };
      if (done.keys === 0) return conclude(done, wanted, { actor, remember });
      const answer = remember && (({ id: campaign }: Campaign) => remember({ ...done, campaign }));
      const replaced = await replace(found, wanted, { actor, remember: answer });
      return replaced.ok ? accept({ ...done, campaign: replaced.value }) : replaced;
    },
  };
}

/** What is to become of the tokens that work. */
function planOf(
  { tokens }: Reach,
  wanted: WantedOffboarding,
  asker: string,
): { revoke: string[]; left: Offboarded["left"] } {
  const working = tokens
    .filter(({ works }) => works)
    .map((each) => ({ token: each.token.id, why: whyLeft(each, wanted, asker) }));
  return {
    revoke: working.flatMap(({ token, why }) => (why === undefined ? [token] : [])),
    left: working.flatMap(({ token, why }) => (why === undefined ? [] : [{ token, why }])),
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
