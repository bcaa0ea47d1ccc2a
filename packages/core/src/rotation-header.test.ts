import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RotationRecord } from "./record.ts";
import { phases } from "./rotation.ts";
import { parseRotationHeader, ROTATION_HEADER, rotationHeaders, targetVersion } from "./rotation-header.ts";

const ID = "rot_0UbAw3xkQm1ZyXwVuTsRqP";
const rotation: RotationRecord = {
  id: ID,
  phase: "overlapping",
  from: 1,
  to: 2,
  since: 1_767_225_600_999,
  endsAt: 1_768_435_200_500,
};

function parsed(change: Partial<Record<"id" | "phase" | "version" | "target" | "ends", string>>) {
  const members = { id: `"${ID}"`, phase: "offered", version: "1", target: "2", ...change };
  return parseRotationHeader(
    Object.entries(members)
      .map(([name, value]) => `${name}=${value}`)
      .join(", "),
  );
}

describe("what the response says", () => {
  test("without a rotation nothing", () => {
    expect(rotationHeaders(undefined, 1)).toEqual([]);
  });

  test("to the holder of the old version: move, since when and by when", () => {
    expect(rotationHeaders(rotation, 1, "https://docs.example/rotation")).toEqual([
      ["keyover-rotation", `id="${ID}", phase=overlapping, version=1, target=2, ends=@1768435200`],
      ["deprecation", "@1767225600"],
      ["sunset", "Thu, 15 Jan 2026 00:00:00 GMT"],
      ["link", '<https://docs.example/rotation>; rel="deprecation"; type="text/html"'],
    ]);
  });

  test("to the holder of the successor: where it stands, and no deprecation", () => {
    expect(rotationHeaders(rotation, 2).map(([name]) => name)).toEqual([ROTATION_HEADER]);
  });

  test("R09: a brownout ahead is said to whoever it concerns, and read back", () => {
    const ahead = { ...rotation, brownout: { from: 1_768_000_000_000, until: 1_768_000_060_000 } };
    const [header] = rotationHeaders(ahead, 1);
    expect(header?.[1]).toMatch(/, ends=@1768435200, brownout=@1768000000$/);
    expect(parseRotationHeader(header?.[1])).toMatchObject({ brownoutAt: 1_768_000_000_000 });
    expect(rotationHeaders(ahead, 2)[0]?.[1]).not.toContain("brownout");
    expect(parseRotationHeader(rotationHeaders(rotation, 1)[0]?.[1])).not.toHaveProperty("brownoutAt");
  });

  test("after a rollback it is the successor's holder who has to move", () => {
    const back: RotationRecord = { id: ID, phase: "rolled-back", from: 1, to: 2, since: 5_000 };
    expect(rotationHeaders(back, 1).map(([name]) => name)).toEqual([ROTATION_HEADER]);
    expect(rotationHeaders(back, 2)).toEqual([
      [ROTATION_HEADER, `id="${ID}", phase=rolled-back, version=2, target=1`],
      ["deprecation", "@5"],
    ]);
  });

  test("the version to be on is the old one until the offer and after a rollback", () => {
    const back = phases.filter((phase) => targetVersion({ phase, from: 1, to: 2 }) === 1);
    expect(back).toEqual(["planned", "propagating", "rolled-back"]);
  });

  test("what is written is read back, to the second", () => {
    const record = fc.record(
      {
        id: fc.constant(ID),
        phase: fc.constantFrom(...phases),
        from: fc.integer({ min: 1, max: 999 }),
        to: fc.integer({ min: 1, max: 999 }),
        endsAt: fc.integer({ min: 0, max: 4_000_000_000_000 }),
      },
      { requiredKeys: ["id", "phase", "from", "to"] },
    );
    fc.assert(
      fc.property(record, fc.integer({ min: 1, max: 999 }), (each, version) => {
        const value = rotationHeaders(each, version)[0]?.[1];
        expect(parseRotationHeader(value)).toEqual({
          id: each.id,
          phase: each.phase,
          version,
          target: targetVersion(each),
          ...(each.endsAt === undefined ? {} : { endsAt: Math.floor(each.endsAt / 1_000) * 1_000 }),
        });
      }),
    );
  });
});

describe("what the client reads", () => {
  test("members in any order, unknown ones passed over, the last of two taken", () => {
    const value = `target=2,version=1 ,new="thing"  , flag, phase=retired,phase=offered,id="${ID}"`;
    expect(parseRotationHeader(value)).toEqual({ id: ID, phase: "offered", version: 1, target: 2 });
  });

  test.each([null, undefined, "", " ", "garbage", "id", ",,,,", `id="${ID}"`, `id="${ID}", phase=offered, version=1`])(
    "%j is no such header",
    (value) => {
      expect(parseRotationHeader(value)).toBeUndefined();
    },
  );

  test.each(["0", "-1", "1.5", "1e3", "0x10", "", "01", "NaN", "Infinity", "9999999999", "?1", '"a"'])(
    "%j is no version",
    (text) => {
      expect(parsed({})).toBeDefined();
      expect(parsed({ version: text })).toBeUndefined();
      expect(parsed({ target: text })).toBeUndefined();
    },
  );

  test.each(["", "../../admin", "rot_1/claim", "rot_1?x=1", "rot_1#", "rot%2f", "röt", "a".repeat(65)])(
    "%j is no id that may go into a path",
    (id) => {
      expect(parsed({ id: `"${id}"` })).toBeUndefined();
    },
  );

  test.each(["unheard-of", "constructor", "__proto__", "OFFERED", ""])("%j is no phase", (phase) => {
    expect(parsed({ phase })).toBeUndefined();
  });

  test("an end that is no date is left out", () => {
    for (const ends of ["1768435200", "@", "@-1", "@1.5", "@9999999999999", "soon"]) {
      expect(parsed({ ends })).toEqual({ id: ID, phase: "offered", version: 1, target: 2 });
    }
    expect(parsed({ ends: "@5" })?.endsAt).toBe(5_000);
  });

  test("a long value is not looked at", () => {
    expect(parseRotationHeader(`id="${ID}", phase=offered, version=1, target=2, x=${"a".repeat(500)}`)).toBeUndefined();
  });

  test("no text makes it throw", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom("id=", "phase=", "offered", '"', ",", ";", "=", "1", " "), maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (value) => {
        parseRotationHeader(value);
      }),
      { numRuns: 2_000 },
    );
  });
});
