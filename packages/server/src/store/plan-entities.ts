/** Plans: what limits keys have. */
import type { Limit } from "@keyover/core";

export interface Plan {
  id: string;
  apiId: string;
  /** Unique in its api. */
  name: string;
  limits: Limit[];
  createdAt: number;
  createdBy: string;
  changedAt: number;
  changedBy: string;
}
