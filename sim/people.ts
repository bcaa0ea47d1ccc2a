/** All who change something at the authority while faults strike: operators, administrators, and who looks after notices, campaigns, plans. */
import { CampaignOperators } from "./campaign-deeds.ts";
import type { Cast } from "./cast.ts";
import type { Chance } from "./chance.ts";
import { Controllers } from "./control-deeds.ts";
import type { Model } from "./model.ts";
import { NoticeOperators } from "./notice-deeds.ts";
import { Operators } from "./operators.ts";
import type { Options } from "./options.ts";
import { PlanOperators } from "./plan-deeds.ts";
import { PolicyMakers } from "./policy-deeds.ts";

export interface PeopleParts {
  model: Model;
  options: Options;
  chance: Chance;
  cast: Cast;
}

export class People {
  readonly operators: Operators;
  readonly controllers: Controllers;
  readonly makers: PolicyMakers;
  readonly campaigns: CampaignOperators;
  readonly #notices: NoticeOperators;
  readonly #plans: PlanOperators;

  constructor({ model, options, chance, cast }: PeopleParts) {
    const { callers, consumers, receivers, administrators } = cast;
    const partsOf = (name: string) => ({ model, options, chance: chance.fork(name), callers });
    const leftAlone = (key: string) => consumers.some((consumer) => consumer.key === key && consumer.plan.sleeps);
    this.operators = new Operators({ ...partsOf("operators"), leftAlone });
    this.#notices = new NoticeOperators({ ...partsOf("notice operators"), receivers });
    this.controllers = new Controllers({ ...partsOf("controllers"), consumers });
    this.makers = new PolicyMakers({ ...partsOf("policy makers"), callers: administrators });
    this.campaigns = new CampaignOperators(partsOf("campaign operators"));
    this.#plans = new PlanOperators({ ...partsOf("plan operators"), callers: administrators });
  }

  get #all() {
    return [this.operators, this.#notices, this.controllers, this.makers, this.campaigns, this.#plans];
  }

  begin(): void {
    for (const each of this.#all) void each.begin();
  }

  stop(): void {
    for (const each of this.#all) each.stop();
  }

  /** How often they did what. */
  get done(): [deed: string, count: number][] {
    return this.#all.flatMap(({ done }) => [...done]);
  }
}
