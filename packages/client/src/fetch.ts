/**
 * `fetch` with the key. A request takes what is in memory and goes; it waits for no changeover. Only one that was refused
 * looks further, at most twice, at most for five seconds in all, and only if its body can be sent again:
 *
 *     1 the secret that is current by now    2 the source, read again    3 the way back    4 the authority, asked once
 *
 * The key goes to the origin that the application names. On a redirect to another origin fetch drops `Authorization`
 * (Fetch standard, "HTTP-redirect fetch"); with `origins` given, other origins are refused before anything is sent.
 */
import { parseRotationHeader, ROTATION_HEADER, type RotationHeader, type World } from "@keyover/core";
import { bounded, KeyHolderError } from "./failure.ts";
import type { Holding } from "./holding.ts";
import { isPassing, type Refusal, refusalOf, retryAfterMs } from "./refusal.ts";
import type { Held, Secret } from "./secret.ts";

const INSTANCE_HEADER = "keyover-instance";

export interface FetchDeps {
  world: World;
  instance: string;
  origins: ReadonlySet<string> | undefined;
  /** Resolves with the holding once the first secret was read. */
  opened: Promise<Holding>;
  hinted(header: RotationHeader): void;
  refused(secret: Secret): void;
  proven(): void;
  /** Reads the source again; whatever it finds is in the holding afterwards. */
  reload(): Promise<void>;
  /** Asks the authority and changes over if that is possible. */
  changeOverNow(tried: readonly Secret[], refused: Refused): Promise<void>;
}

const RETRIES_MAX = 2;
const LOOK_FURTHER_MS = 5_000;
/** Of it for the source, where there is a way back. */
const SOURCE_MS = 2_000;

type Input = Parameters<typeof globalThis.fetch>[0];
type Init = Parameters<typeof globalThis.fetch>[1];

export function createFetch(deps: FetchDeps): typeof globalThis.fetch {
  return async (input, init) => {
    const holding = await deps.opened;
    checkOrigin(deps.origins, input);
    const replayable = isReplayable(input, init);
    const first = holding.choose(replayable);
    const response = await send(deps, input, init, first);
    const refusal = await settle(deps, holding, first, response);
    if (refusal === undefined || !replayable) return response;
    return lookFurther(deps, holding, { input, init, first, response, refusal });
  };
}

/** What a refusal says of the secret in use. */
export interface Refused {
  /** It is refused for good; else for a time, or for this kind of request. */
  forGood: boolean;
  /** If there is nowhere to go, asking again is not worth while before. */
  retryAfterMs: number;
}

interface RefusedRequest {
  input: Input;
  init: Init;
  first: Held;
  response: Response;
  refusal: Refusal;
}

async function lookFurther(deps: FetchDeps, holding: Holding, request: RefusedRequest): Promise<Response> {
  const { input, init, first, response } = request;
  const tried: Secret[] = [first.secret];
  let { refusal } = request;
  let refusedBy = response;
  for (let retry = 0; retry < RETRIES_MAX; retry++) {
    const other = await bounded(
      alternative(deps, holding, tried, refusal, refusedBy),
      LOOK_FURTHER_MS,
      deps.world.clock,
    );
    if (other === undefined) return response;
    let again: Response;
    try {
      again = await send(deps, input, init, other);
    } catch (error) {
      if (signalOf(input, init)?.aborted) throw error;
      return response; // the network failed on the way back: the answer that did come stands
    }
    const verdict = await settle(deps, holding, other, again);
    if (verdict === undefined) {
      // A 401 without a code may mean anything, until another secret is answered well in its place.
      if (refusal === "unauthorized" && again.status < 400 && holding.refused(first.secret)) deps.refused(first.secret);
      discard(response);
      return again;
    }
    discard(again); // a second refusal tells no more than the first, which the application gets, whole
    tried.push(other.secret);
    refusal = verdict;
    refusedBy = again;
  }
  return response;
}

/** What the response says of the secret, told to whom it concerns. */
async function settle(deps: FetchDeps, holding: Holding, used: Held, response: Response): Promise<Refusal | undefined> {
  const header = parseRotationHeader(response.headers.get(ROTATION_HEADER));
  if (header !== undefined && header.target !== header.version && used.secret.same(holding.current.secret)) {
    deps.hinted(header);
  }
  const refusal = await refusalOf(response, deps.world.clock);
  if (refusal === undefined) {
    if (response.status < 400 && holding.accepted(used.secret)) deps.proven();
  } else if (isPassing(refusal)) {
    holding.turnedAway(used.secret);
  } else if (refusal !== "unauthorized" && holding.refused(used.secret)) {
    deps.refused(used.secret);
  }
  return refusal;
}

async function alternative(
  deps: FetchDeps,
  holding: Holding,
  tried: readonly Secret[],
  refusal: Refusal,
  refusedBy: Response,
): Promise<Held | undefined> {
  const untried = (held: Held | undefined) =>
    held !== undefined && !tried.some((secret) => secret.same(held.secret)) ? held : undefined;
  const swapped = untried(holding.current);
  if (swapped !== undefined) return swapped;
  // The way back does not wait for a source that hangs, or is being written.
  const reloading = deps.reload();
  await (untried(holding.fallback) === undefined ? reloading : bounded(reloading, SOURCE_MS, deps.world.clock));
  const other = untried(holding.current) ?? untried(holding.fallback);
  if (other !== undefined || refusal === "unauthorized") return other;
  await deps.changeOverNow(tried, { forGood: !isPassing(refusal), retryAfterMs: retryAfterMs(refusedBy) });
  return untried(holding.current);
}

function send(deps: FetchDeps, input: Input, init: Init, held: Held): Promise<Response> {
  const headers = withKey(init?.headers ?? (input instanceof Request ? input.headers : undefined), held, deps.instance);
  return deps.world.fetch(input, { ...init, headers });
}

export function withKey(base: ConstructorParameters<typeof Headers>[0], held: Held, instance: string): Headers {
  const headers = new Headers(base);
  headers.set("authorization", `Bearer ${held.secret.reveal()}`);
  headers.set(INSTANCE_HEADER, instance);
  return headers;
}

/** Whether the same arguments give the same request a second time. A stream, and so the body of any `Request`, does not. */
function isReplayable(input: Input, init: Init): boolean {
  const body: unknown = init?.body ?? (input instanceof Request ? input.body : null);
  if (body === null || body === undefined || typeof body === "string") return true;
  return (
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body)
  );
}

export function checkOrigin(origins: ReadonlySet<string> | undefined, input: Input): void {
  if (origins === undefined) return;
  const { origin } = new URL(input instanceof Request ? input.url : input);
  if (!origins.has(origin)) {
    throw new KeyHolderError(
      "foreign_origin",
      `the key is not for ${origin}; it goes to ${[...origins].join(", ")} only`,
    );
  }
}

function signalOf(input: Input, init: Init): AbortSignal | null | undefined {
  return init?.signal ?? (input instanceof Request ? input.signal : undefined);
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}
