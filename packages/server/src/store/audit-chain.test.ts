import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, chainHash, chainStart, verifyChain } from "./audit-chain.ts";
import type { AuditDraft, AuditEntry } from "./store.ts";

const drafts = fc.array(
  fc.record({
    at: fc.nat(),
    actor: fc.string(),
    action: fc.string(),
    subjects: fc.array(fc.string(), { maxLength: 3 }),
    details: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
  }),
  { minLength: 1, maxLength: 8 },
) as fc.Arbitrary<AuditDraft[]>;

function chainOf(list: AuditDraft[]): AuditEntry[] {
  let hash = chainStart.hash;
  return list.map((draft, i) => {
    hash = chainHash(hash, { ...draft, seq: i + 1 });
    return { ...draft, seq: i + 1, hash };
  });
}

const brokenAt = (entries: AuditEntry[]) => {
  const state = verifyChain(chainStart, entries);
  return "brokenAt" in state ? state.brokenAt : undefined;
};
const stored = (entries: AuditEntry[]) => JSON.parse(JSON.stringify(entries)) as AuditEntry[];

describe("canonical JSON", () => {
  test("equal values have equal text, whatever order their members came in", () => {
    const text = '{"":null,"A":[1,{"x":"ü\\n","y":true}],"a":-1.5}';
    expect(canonicalJson({ a: -1.5, A: [1, { y: true, x: "ü\n" }], "": null, gone: undefined })).toBe(text);
    expect(canonicalJson([undefined, Number.NaN])).toBe("[null,null]");
  });

  test("it reads back as the same value, and is stable over JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown;
        expect(JSON.parse(canonicalJson(value))).toEqual(plain);
        expect(canonicalJson(value)).toBe(canonicalJson(plain));
      }),
    );
  });
});

describe("the chain", () => {
  test("holds over entries that were stored and read back, also from the middle", () => {
    fc.assert(
      fc.property(drafts, fc.nat(), (list, cut) => {
        const entries = stored(chainOf(list));
        expect(brokenAt(entries)).toBeUndefined();
        const middle = verifyChain(chainStart, entries.slice(0, cut % entries.length));
        if ("brokenAt" in middle) throw new Error("broken");
        expect(verifyChain(middle, entries.slice(cut % entries.length))).toEqual(verifyChain(chainStart, entries));
      }),
    );
  });

  const alterations: Record<string, (entry: AuditEntry) => AuditEntry> = {
    at: (entry) => ({ ...entry, at: entry.at + 1 }),
    actor: (entry) => ({ ...entry, actor: `${entry.actor}x` }),
    action: (entry) => ({ ...entry, action: `x${entry.action}` }),
    subjects: (entry) => ({ ...entry, subjects: [...entry.subjects, "key_x"] }),
    details: (entry) => ({ ...entry, details: { ...entry.details, added: null } }),
    seq: (entry) => ({ ...entry, seq: entry.seq + 1 }),
    hash: (entry) => ({ ...entry, hash: `${entry.hash.slice(1)}A` }),
    "hash and content": (entry) => {
      const other = { ...entry, actor: "someone else" };
      return { ...other, hash: chainHash("", other) };
    },
  };

  test.each(Object.entries(alterations))(
    "an altered %s is found where it stands, or in the entry after it",
    (_what, alter) => {
      fc.assert(
        fc.property(drafts, fc.nat(), (list, pick) => {
          const entries = stored(chainOf([...list, list[0] as AuditDraft]));
          const at = 1 + (pick % (entries.length - 1));
          entries[at] = alter(entries[at] as AuditEntry);
          fc.pre(JSON.stringify(entries) !== JSON.stringify(stored(chainOf([...list, list[0] as AuditDraft]))));
          expect([at + 1, at + 2]).toContain(brokenAt(entries));
        }),
      );
    },
  );

  test("a removed entry is found, unless it was the last: only somebody who knows the head sees that", () => {
    fc.assert(
      fc.property(drafts, fc.nat(), (list, pick) => {
        const entries = chainOf([...list, list[0] as AuditDraft]);
        const at = pick % (entries.length - 1);
        expect(brokenAt(entries.toSpliced(at, 1))).toBe(at + 1);
      }),
    );
  });

  test("entries in another order, and an entry twice, are found", () => {
    fc.assert(
      fc.property(drafts, fc.nat(), (list, pick) => {
        const entries = chainOf([...list, list[0] as AuditDraft]);
        const at = pick % (entries.length - 1);
        const [one, two] = [entries[at] as AuditEntry, entries[at + 1] as AuditEntry];
        expect(brokenAt(entries.toSpliced(at, 2, two, one))).toBe(at + 1);
        const renumbered = entries.toSpliced(at, 2, { ...two, seq: one.seq }, { ...one, seq: two.seq });
        expect(brokenAt(renumbered)).toBe(at + 1);
        expect(brokenAt(entries.toSpliced(at, 0, one))).toBe(at + 2);
      }),
    );
  });
});
