/** What the store keeps of campaigns, beside the campaign itself (core's). Times are epoch milliseconds. */
import type { ItemState, Phase } from "@keyover/core";

/** A key of a campaign: fixed when it is selected, whatever becomes of the key until its turn. */
export interface CampaignItem {
  /** The campaign's handle and the key's (`campaignItemId`). */
  id: string;
  campaignId: string;
  keyId: string;
  wave: number;
  /** The wave that takes it by what it is, which it is in unless it was drawn for an earlier one; absent: noted by an older program. */
  home?: number | undefined;
  state: ItemState;
  /** That was started, or that the strike went through. */
  rotationId: string | null;
  /** Why it was skipped or failed, or what else there is to say. */
  why: string | null;
  /** When its state last changed. */
  at: number;
}

export function campaignItemId(campaignId: string, keyId: string): string {
  return `${campaignId}.${keyId}`;
}

/** Rotations of a campaign that are alike. */
export interface RotationTally {
  wave: number;
  phase: Phase;
  /** The successor was claimed, or its consumer said that it holds it. */
  claimed: boolean;
  count: number;
}

/** Of some of a campaign's rotations, in order of their handles. */
export interface RefusedPage {
  /** By key that sees any. */
  refused: { keyId: string; consumerId: string; requests: number }[];
  /** Where to go on; null: that was all. */
  after: string | null;
}
