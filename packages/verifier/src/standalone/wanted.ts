/**
 * What a gateway wants of a key, said by its configuration and never by the caller:
 *
 *     /check?scope=market:read&environment=live&cost=5     the gateway writes the whole address of the check; the caller has no part in it
 *     /ext-authz/<the caller's path and query>      the gateway appends the caller's, so nothing in the address counts. Keyover-Want-Scope,
 *                                                   -Environment and -Cost do, which the gateway sets over the caller's
 *     gRPC, context_extensions                      Envoy takes them from the route's configuration
 *
 * Each of them listens to its own place alone. What is misspelt or empty is refused: a check that asks for less than was meant
 * would let everybody in.
 */
import { costProblem, scopeNameProblem } from "@keyover/core";
import { createDoor, type Door } from "../adapters/answer.ts";
import type { Verifier } from "../verifier.ts";

export interface Wanted {
  scope: string | readonly string[] | undefined;
  environment: string | undefined;
  /** What the request takes of the key's limits. */
  cost: number | undefined;
  /** A refusal's body goes into the header `Keyover-Problem`: nginx can't pass a body on, and gives up the connection over one. */
  problemInHeader: boolean;
  door: Door<never>;
}

/** A sentence that says what is wrong with the gateway's configuration. */
export type Misconfigured = string;

const SCOPES_MAX = 20;
const ENVIRONMENT = /^[a-z][a-z0-9]{1,9}$/;
/** A gateway's configuration names a few; a flood of others (its configuration copies a caller's text after all) takes no memory. */
const REMEMBERED_MAX = 1_000;
/** What is longer is read each time. */
const REMEMBERED_LENGTH_MAX = 5_000;

export class WantedBook {
  readonly #verifier: Verifier;
  readonly #byQuery = new Map<string, Wanted | Misconfigured>();
  readonly #byHeaders = new Map<string, Wanted | Misconfigured>();
  readonly #byExtensions = new Map<string, Wanted | Misconfigured>();
  /** Any accepted key. */
  readonly anything: Wanted;

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
    this.anything = this.#make([], [], [], false) as Wanted;
  }

  /** `query`: all after the question mark. */
  byQuery(query: string): Wanted | Misconfigured {
    return remembered(this.#byQuery, query, () => this.#readQuery(query));
  }

  byHeaders(
    scope: string | undefined,
    environment: string | undefined,
    cost: string | undefined,
  ): Wanted | Misconfigured {
    // No header has a line break: none that is empty is taken for one that is missing.
    const name = [scope, environment, cost].map((each) => each ?? "\n").join("\n\n");
    const listOf = (each: string | undefined) => (each === undefined ? [] : [each]);
    return remembered(this.#byHeaders, name, () => this.#make(listOf(scope), listOf(environment), listOf(cost), false));
  }

  byExtensions(extensions: readonly (readonly [name: string, value: string])[]): Wanted | Misconfigured {
    return remembered(this.#byExtensions, JSON.stringify(extensions), () => {
      const other = extensions.find(([name]) => !["scope", "environment", "cost"].includes(name));
      if (other !== undefined)
        return `there is no setting "${other[0].slice(0, 50)}" in context_extensions; there are scope, environment and cost`;
      const valuesOf = (wanted: string) => extensions.filter(([name]) => name === wanted).map(([, value]) => value);
      return this.#make(valuesOf("scope"), valuesOf("environment"), valuesOf("cost"), false);
    });
  }

  #readQuery(query: string): Wanted | Misconfigured {
    const given = new URLSearchParams(query);
    for (const name of given.keys()) {
      if (!["scope", "environment", "cost", "problem"].includes(name))
        return `there is no setting "${name.slice(0, 50)}"; there are scope, environment, cost and problem`;
    }
    const problems = given.getAll("problem");
    if (problems.some((each) => each !== "header")) return "problem takes: header";
    const [scopes, environments, costs] = ["scope", "environment", "cost"].map((name) => given.getAll(name));
    return this.#make(scopes as string[], environments as string[], costs as string[], problems.length > 0);
  }

  #make(
    scopes: readonly string[],
    environments: readonly string[],
    costs: readonly string[],
    problemInHeader: boolean,
  ): Wanted | Misconfigured {
    const names = scopes.flatMap((each) => each.split(/[ ,]+/));
    if (names.includes("")) return "scope is empty; leave it out where any accepted key will do";
    if (names.length > SCOPES_MAX) return `at most ${SCOPES_MAX} scopes can be wanted at once`;
    const wrong = names.map(scopeNameProblem).find((problem) => problem !== undefined);
    if (wrong !== undefined) return wrong;
    if (environments.length > 1) return "environment is given twice";
    const [environment] = environments;
    if (environment !== undefined && !ENVIRONMENT.test(environment)) return "environment is no environment's name";
    const scope = names.length === 0 ? undefined : names.length === 1 ? names[0] : names;
    if (costs.length > 1) return "cost is given twice";
    const cost = costs[0] === undefined ? undefined : wholeNumber(costs[0]);
    const problem = cost === undefined ? undefined : costProblem(cost);
    if (problem !== undefined) return problem;
    const door = createDoor<never>(this.#verifier, { scope, environment });
    return { scope, environment, cost, problemInHeader, door };
  }
}

/** Not a number, if it is written in any other way than digits. */
function wholeNumber(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

function remembered(
  book: Map<string, Wanted | Misconfigured>,
  text: string,
  make: () => Wanted | Misconfigured,
): Wanted | Misconfigured {
  const known = book.get(text);
  if (known !== undefined) return known;
  const made = make();
  if (text.length > REMEMBERED_LENGTH_MAX) return made;
  if (book.size >= REMEMBERED_MAX) book.clear();
  book.set(text, made);
  return made;
}
