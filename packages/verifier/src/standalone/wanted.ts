/**
 * What a gateway wants of a key, said by its configuration and never by the caller:
 *
 *     /check?scope=market:read&environment=live     the gateway writes the whole address of the check; the caller has no part in it
 *     /ext-authz/<the caller's path and query>      the gateway appends the caller's, so nothing in the address counts. Keyover-Want-Scope
 *                                                   and Keyover-Want-Environment do, which the gateway sets over the caller's
 *
 * Each of the two listens to its own place alone. What is misspelt or empty is refused: a check that asks for less than was meant
 * would let everybody in.
 */
import { scopeNameProblem } from "@keyover/core";
import { createDoor, type Door } from "../adapters/answer.ts";
import type { Verifier } from "../verifier.ts";

export interface Wanted {
  scope: string | readonly string[] | undefined;
  environment: string | undefined;
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

export class WantedBook {
  readonly #verifier: Verifier;
  readonly #byQuery = new Map<string, Wanted | Misconfigured>();
  readonly #byHeaders = new Map<string, Wanted | Misconfigured>();

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  /** `query`: all after the question mark. */
  byQuery(query: string): Wanted | Misconfigured {
    return remembered(this.#byQuery, query, () => this.#readQuery(query));
  }

  byHeaders(scope: string | undefined, environment: string | undefined): Wanted | Misconfigured {
    // No header has a line break: none that is empty is taken for one that is missing.
    return remembered(this.#byHeaders, `${scope ?? "\n"}\n\n${environment ?? "\n"}`, () =>
      this.#make(scope === undefined ? [] : [scope], environment === undefined ? [] : [environment], false),
    );
  }

  #readQuery(query: string): Wanted | Misconfigured {
    const given = new URLSearchParams(query);
    for (const name of given.keys()) {
      if (!["scope", "environment", "problem"].includes(name))
        return `there is no setting "${name.slice(0, 50)}"; there are scope, environment and problem`;
    }
    const problems = given.getAll("problem");
    if (problems.some((each) => each !== "header")) return "problem takes: header";
    return this.#make(given.getAll("scope"), given.getAll("environment"), problems.length > 0);
  }

  #make(scopes: readonly string[], environments: readonly string[], problemInHeader: boolean): Wanted | Misconfigured {
    const names = scopes.flatMap((each) => each.split(/[ ,]+/));
    if (names.includes("")) return "scope is empty; leave it out where any accepted key will do";
    if (names.length > SCOPES_MAX) return `at most ${SCOPES_MAX} scopes can be wanted at once`;
    const wrong = names.map(scopeNameProblem).find((problem) => problem !== undefined);
    if (wrong !== undefined) return wrong;
    if (environments.length > 1) return "environment is given twice";
    const [environment] = environments;
    if (environment !== undefined && !ENVIRONMENT.test(environment)) return "environment is no environment's name";
    const scope = names.length === 0 ? undefined : names.length === 1 ? names[0] : names;
    const door = createDoor<never>(this.#verifier, { scope, environment });
    return { scope, environment, problemInHeader, door };
  }
}

function remembered(
  book: Map<string, Wanted | Misconfigured>,
  text: string,
  make: () => Wanted | Misconfigured,
): Wanted | Misconfigured {
  const known = book.get(text);
  if (known !== undefined) return known;
  const made = make();
  if (book.size >= REMEMBERED_MAX) book.clear();
  book.set(text, made);
  return made;
}
