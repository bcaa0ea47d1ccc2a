/** What a verifier remembers of a key after a restore is taken whole: what the shape leaves out would be lost. */
import { expect, test } from "vitest";
import { keyRecord } from "./feed-schemas.ts";

const handle = (prefix: string) => `${prefix}_${"0".repeat(22)}`;

test("a record keeps the fence, the brownout and the rotation's next one", () => {
  const version = { number: 1, state: "retiring", sha256: "a".repeat(43), compromised: false };
  const record = {
    seq: 1,
    key: handle("key"),
    consumer: handle("con"),
    environment: "live",
    status: "active",
    scopes: ["market:*"],
    networks: [],
    current: 2,
    versions: [
      { ...version, fence: { scopes: ["market:read"], networks: ["203.0.113.0/24"] }, brownoutUntil: 9_000 },
      { ...version, number: 2, state: "active", sha256: "b".repeat(43) },
    ],
    rotation: {
      id: handle("rot"),
      phase: "overlapping",
      from: 1,
      to: 2,
      since: 1_000,
      endsAt: 5_000,
      brownout: { from: 8_000, until: 9_000 },
    },
  };
  expect(keyRecord.parse(record)).toEqual(record);
});
