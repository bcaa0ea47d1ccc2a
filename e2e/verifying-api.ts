/**
 * The smallest API with the verifier in it: node:http, one route for each api that it protects, and a look inside for the tests.
 *
 *     GET  /<api>        protected by `requireKey`
 *     POST /verdict      { api, key, scope? } → the verifier's own verdict
 *     GET  /status       what `verifier.status()` says
 *     GET  /ready        200 once the verifier is ready; with LISTEN_FIRST it listens before that
 *
 * KEYOVER_URL may be several addresses, with commas between. With HISTORY, a file, each decision on a request is written down there.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createVerifier } from "@keyover/verifier";
import { requireKey } from "@keyover/verifier/node";
import { fingerprint, moment, openHistory } from "./faults/history.ts";

const { KEYOVER_URL, KEYOVER_TOKEN, KEYOVER_DATA, APIS, INSTANCE, PORT, LISTEN_FIRST, HISTORY } = process.env as Record<
  string,
  string
>;
const apis = (APIS as string).split(",");
const history = HISTORY === undefined ? undefined : openHistory(HISTORY);

const verifier = createVerifier({
  url: (KEYOVER_URL as string).split(","),
  token: KEYOVER_TOKEN as string,
  apis,
  environment: "live",
  instance: INSTANCE,
  dataDir: KEYOVER_DATA,
});
let ready = false;
const becoming = verifier.ready.then(() => {
  ready = true;
});
if (LISTEN_FIRST === undefined) await becoming;
else becoming.catch(() => undefined);

const authorize = requireKey(verifier);
const server = createServer((request, response) => void answer(request, response));
server.listen(Number(PORT), "127.0.0.1");

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const json = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (request.url === "/ready") return json(ready ? 200 : 503, { ready });
  if (request.url === "/status") return json(200, verifier.status());
  if (request.url === "/verdict") {
    const { key, scope } = JSON.parse(Buffer.concat(await request.toArray()).toString()) as {
      key: string;
      scope?: string;
    };
    return json(200, await verifier.verify(key, { scope, network: request.socket.remoteAddress, client: "test" }));
  }
  const verdict = await decide(request, response);
  if (verdict !== undefined)
    json(200, { consumer: verdict.consumer, version: verdict.version, stale: verdict.stale === true });
}

async function decide(request: IncomingMessage, response: ServerResponse) {
  const began = moment();
  const verdict = await authorize(request, response);
  const { code, stale } = request.keyover;
  const sha = fingerprint(request.headers.authorization ?? "");
  history?.write({ line: "decision", api: INSTANCE as string, sha, began, code, stale: stale === true });
  return verdict;
}

process.once("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  void verifier.close();
});
