/** The crash matrix over a key's life: created, rotated, claimed, confirmed, retired, rolled back, cancelled, revoked. */
import { sha256Text } from "@keyover/core";
import { MINUTE } from "./authority.test-support.ts";
import { because, dieEverywhere, order, orderOfKey, reached, second, start } from "./crash-matrix.test-suite.ts";
import { ask, claim, LONG, pass, type Step, use } from "./crash-matrix.test-support.ts";

const { propagating, offered, overlapping, retired } = reached;
const long = pass(LONG);

const wanted = { environment: "live", scopes: ["market:read"] };
const create = ask("create", ({ apiId: api, consumerId: consumer }) => ({
  path: "/v1/keys",
  body: { api, consumer, ...wanted },
}));
const useCreated: Step = async (run) => run.use(1, run.outside.asked.create?.answer.id);
const token = ask("token", () => ({ path: "/v1/tokens", body: { name: "ops", role: "operator" } }));
const startOwn = ask("start", ({ keyId, own }) => ({
  path: `/v1/keys/${keyId}/rotations`,
  body: { sha256: sha256Text(own) },
}));
const createOwn = ask("create", ({ apiId: api, consumerId: consumer, own }) => ({
  path: "/v1/keys",
  body: { api, consumer, ...wanted, sha256: sha256Text(own) },
}));
const extend = order("deadline", { byMs: LONG });

dieEverywhere([
  {
    name: "a key is created and used",
    given: [],
    // Whoever died before it noticed the use finds it when it looks around.
    steps: [create, useCreated, pass(10_000), second],
    commits: ["key.created", "secret.erased"],
  },
  {
    name: "a key is created from the hash of its consumer's secret",
    given: [],
    steps: [createOwn, second],
    commits: ["key.created"],
  },
  { name: "a token is created", given: [], steps: [token, second], commits: ["token.created"] },
  {
    name: "a rotation from its start to its end: claimed, used, retired by evidence, completed",
    given: [],
    steps: [start, second, claim, use(2), use(1), pass(1.5 * MINUTE), long, long],
    commits: ["planned", "offered", "claim", "overlapping", "retired", "completed"].map((step) => `rotation.${step}`),
  },
  {
    name: "a rotation to a secret that the consumer handed in",
    given: [],
    steps: [startOwn, use(2), second],
    commits: ["rotation.planned", "rotation.overlapping"],
  },
  {
    name: "a rotation planned for later begins",
    given: [],
    steps: [
      ask("start", ({ keyId, at }) => ({ path: `/v1/keys/${keyId}/rotations`, body: { startsAt: at + LONG } })),
      long,
    ],
    commits: ["rotation.planned", "rotation.propagating"],
  },
  {
    name: "the consumer's word that it holds the successor",
    given: [...offered, claim],
    steps: [order("confirm", { version: 2 }, "holder"), claim, second],
    commits: ["rotation.overlapping"],
  },
  { name: "the deadline is moved", given: offered, steps: [extend, second], commits: ["rotation.move-deadline"] },
  { name: "retired by force", given: overlapping, steps: [order("retire"), second], commits: ["rotation.retired"] },
  {
    name: "rolled back before anybody had the successor",
    given: offered,
    steps: [order("rollback"), second],
    commits: ["rotation.rolled-back"],
  },
  {
    name: "rolled back after use",
    given: overlapping,
    steps: [order("rollback"), use(1), second, long],
    commits: ["rotation.rolled-back", "rotation.ended"],
  },
  {
    name: "rolled back from retired",
    given: retired,
    steps: [order("rollback"), use(1), second, long],
    commits: ["rotation.rolled-back", "rotation.ended"],
  },
  {
    name: "cancelled on its way",
    given: propagating,
    steps: [order("cancel", {}), second],
    commits: ["rotation.cancelled"],
  },
  {
    name: "cancelled when offered",
    given: offered,
    steps: [order("cancel", {}), second],
    commits: ["rotation.cancelled"],
  },
  {
    name: "revoked in the overlap",
    given: overlapping,
    steps: [orderOfKey("revoke"), second],
    commits: ["key.revoked", "rotation.cancelled"],
  },
  {
    name: "suspended in the overlap, and restored",
    given: overlapping,
    steps: [orderOfKey("suspend"), second, orderOfKey("restore", because), second],
    commits: ["key.suspended", "key.restored"],
  },
]);
