/** Policies as the store keeps them (docs/policies.md). Times are epoch milliseconds. */
import type { PolicySpec, Target } from "@keyover/core";

export interface Policy {
  id: string;
  name: string;
  /** Counts its changes, from 1. */
  version: number;
  spec: PolicySpec;
  createdAt: number;
  createdBy: string;
  changedAt: number;
  changedBy: string;
  /** When `spec.schedule` last changed: what was overdue by then is spread, and does not move at once. */
  scheduleChangedAt: number;
}

/** What a policy said before it was changed or removed, and what it says now. */
export interface PolicyVersion {
  /** The policy's handle and the version, so that they sort. */
  id: string;
  policyId: string;
  name: string;
  version: number;
  spec: PolicySpec;
  changedAt: number;
  changedBy: string;
}

export function policyVersionId(policyId: string, version: number): string {
  return `${policyId}.${String(version).padStart(8, "0")}`;
}

export interface Attachment {
  id: string;
  policyId: string;
  target: Target;
  createdAt: number;
  createdBy: string;
}

/** Keys whose dates are to be calculated anew, one batch after the other in order of their handles. */
export interface Replan {
  /** Sorts by age. */
  id: string;
  /** Of this api, of this consumer, or one; all null: every key. */
  apiId: string | null;
  consumerId: string | null;
  keyId: string | null;
  /** Done up to this handle. */
  after: string;
  /** What made it necessary; a handle, or `upgrade`. */
  cause: string;
  createdAt: number;
}
