/**
 * Envoy's question and our answer, as `envoy.service.auth.v3.Authorization` has them (envoyproxy/envoy,
 * api/envoy/service/auth/v3): of the question what a decision needs, of the answer what Envoy does with it.
 *
 *     CheckRequest  attributes 1 ─ source 1 ─ address 1 ─ socket_address 1 ─ address 2       the caller's, as Envoy sees it
 *                              ├── request 4 ─ http 2 ─ headers 3 (a map), or header_map 13 ─ headers 1; path 4
 *                              └── context_extensions 10 (a map)                             the route's settings
 *     CheckResponse status 1 ─ code 1
 *                   denied_response 2 ─ status 1 ─ code 1; headers 2; body 3
 *                   ok_response 3 ─ headers 2; headers_to_remove 5; response_headers_to_add 6
 *                   dynamic_metadata 4                                                       for Envoy's access log and its other filters
 */
import type { Answer } from "./answers.ts";
import { Fields, MessageWriter } from "./protobuf.ts";

export interface CheckRequest {
  /** As `http.IncomingMessage` has them: name, value, name, value. */
  rawHeaders: string[];
  /** With the query. */
  path: string;
  /** The other end of the connection, as Envoy sees it. */
  address: string | undefined;
  /** Of the route's configuration; the caller has no part in them. */
  extensions: [name: string, value: string][];
}

/** Throws a WireError. */
export function readCheckRequest(bytes: Buffer): CheckRequest {
  const found: CheckRequest = { rawHeaders: [], path: "", address: undefined, extensions: [] };
  const request = new Fields(bytes);
  while (request.next()) if (request.number === 1) readAttributes(request.message(), found);
  return found;
}

function readAttributes(attributes: Fields, found: CheckRequest): void {
  while (attributes.next()) {
    if (attributes.number === 1) found.address = textAt(attributes.message(), ADDRESS_PATH, 0) ?? found.address;
    else if (attributes.number === 4) readRequest(attributes.message(), found);
    else if (attributes.number === 10) found.extensions.push(readPair(attributes.message(), 2));
  }
}

/** Peer.address, Address.socket_address, SocketAddress.address. */
const ADDRESS_PATH = [1, 1, 2] as const;

function textAt(fields: Fields, path: readonly number[], depth: number): string | undefined {
  let found: string | undefined;
  while (fields.next()) {
    if (fields.number !== path[depth]) continue;
    found = depth === path.length - 1 ? fields.text() : (textAt(fields.message(), path, depth + 1) ?? found);
  }
  return found;
}

function readRequest(request: Fields, found: CheckRequest): void {
  while (request.next()) {
    if (request.number !== 2) continue;
    const http = request.message();
    while (http.next()) {
      if (http.number === 3) found.rawHeaders.push(...readPair(http.message(), 2));
      else if (http.number === 4) found.path = http.text();
      else if (http.number === 13) {
        const map = http.message();
        // With encode_raw_headers Envoy fills in raw_value, and leaves value empty.
        while (map.next()) if (map.number === 1) found.rawHeaders.push(...readPair(map.message(), 3));
      }
    }
  }
}

/** An entry of a map, or a HeaderValue whose value may stand in another field. */
function readPair(entry: Fields, otherValue: number): [name: string, value: string] {
  let name = "";
  let value = "";
  while (entry.next()) {
    if (entry.number === 1) name = entry.text();
    else if (entry.number === 2 || entry.number === otherValue) value = entry.text() || value;
  }
  return [name, value];
}

// ---- the answer ---------------------------------------------------------------------------------------------------------

/** google.rpc.Code */
const CODES: Record<number, number> = { 200: 0, 204: 0, 400: 3, 401: 16, 403: 7, 429: 8, 503: 14 };
const UNKNOWN = 2;

/** For the API: who it is. Whatever the caller sends under these names must not reach it. */
const IDENTITY = [
  "keyover-key",
  "keyover-consumer",
  "keyover-version",
  "keyover-environment",
  "keyover-scopes",
  "keyover-stale",
  "keyover-rotation",
];
/** The commonest of the names that some APIs take for the same; the others are taken away where the caller sent them. */
const UNDERSCORED = IDENTITY.map((name) => name.replace("-", "_"));

/** HeaderValueOption.append_action */
const APPEND = 0;
const OVERWRITE = 2;

/**
 * CGI, WSGI and PHP make variables of headers, and an underscore of each character that is no letter and no digit: for them Keyover.Key and
 * Keyover~Key are Keyover-Key.
 */
export function lookAlikes(rawHeaders: readonly string[]): string[] {
  const names = rawHeaders.filter((name, i) => i % 2 === 0 && name.startsWith("keyover"));
  return names.filter((name) => !IDENTITY.includes(name) && IDENTITY.includes(name.replace(/[^a-z0-9]/g, "-")));
}

/** `remove`: names in lower case that must not reach the API, the key's among them. `ahead`: as in MessageWriter. */
export function writeCheckResponse(answer: Answer, remove: readonly string[], ahead: number): Buffer {
  const { status } = answer;
  const code = CODES[status] ?? UNKNOWN;
  const headers = new Map<string, string>();
  for (let i = 0; i < answer.headers.length; i += 2) {
    const name = (answer.headers[i] as string).toLowerCase();
    const value = answer.headers[i + 1] as string;
    const before = headers.get(name);
    // Of the length Envoy knows better.
    if (name !== "content-length") headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const response = new MessageWriter(ahead).message(1, (rpc) => (code === 0 ? rpc : rpc.number(1, code)));
  if (code === 0) writeOk(response, headers, remove);
  else writeDenied(response, status, headers, answer.body);
  return response.bytes();
}

function writeOk(response: MessageWriter, headers: Map<string, string>, remove: readonly string[]): void {
  // Envoy takes away after it has set, so no name may be in both; and some of its versions pass over a header that is set to nothing.
  const set = IDENTITY.filter((name) => headers.get(name));
  response.message(3, (ok) => {
    for (const name of set) writeHeader(ok, 2, name, headers.get(name) as string);
    for (const name of IDENTITY) if (!set.includes(name)) ok.text(5, name);
    for (const name of UNDERSCORED) ok.text(5, name);
    for (const name of remove) ok.text(5, name);
    for (const [name, value] of headers) if (isForCaller(name)) writeHeader(ok, 6, name, value);
  });
  writeMetadata(response, headers, set);
}

function isForCaller(name: string): boolean {
  return !IDENTITY.includes(name) || name === "keyover-rotation";
}

/** Envoy of itself says 403; here everything is as the check over HTTP has it. */
function writeDenied(response: MessageWriter, status: number, headers: Map<string, string>, body: string): void {
  response.message(2, (denied) => {
    denied.message(1, (http) => http.number(1, status));
    for (const [name, value] of headers) writeHeader(denied, 2, name, value);
    denied.text(3, body);
  });
  writeMetadata(response, headers, ["keyover-code"]);
}

/**
 * Over what is there already; but the API may have links of its own. Both ways to say so are used: older Envoys know `append` alone, and of
 * newer ones the default of `append_action` is to append, which would leave a forged name where it is.
 */
function writeHeader(within: MessageWriter, field: number, name: string, value: string): void {
  const appends = name === "link";
  within.message(field, (option) =>
    option
      .message(1, (header) => header.text(1, name).text(2, value))
      .message(2, (append) => (appends ? append.number(1, 1) : append))
      .number(3, appends ? APPEND : OVERWRITE),
  );
}

/** google.protobuf.Struct, of texts. */
function writeMetadata(response: MessageWriter, headers: Map<string, string>, names: readonly string[]): void {
  response.message(4, (struct) => {
    for (const name of names) {
      const value = headers.get(name);
      if (value === undefined) continue;
      struct.message(1, (entry) => entry.text(1, name).message(2, (one) => one.text(3, value)));
    }
  });
}
