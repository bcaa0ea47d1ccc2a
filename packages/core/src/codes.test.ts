import { describe, expect, test } from "vitest";
import { docsUrl, type ProblemCode, problems, type VerdictCode, verdicts } from "./codes.ts";
import type { KeyChangeOutcome } from "./key.ts";
import type { RefusalCode } from "./rotation.ts";

/** Every refusal of core is a problem that the authority can answer with; one that is missing does not compile. */
type Refused = RefusalCode | Extract<KeyChangeOutcome, { ok: false }>["code"];
const answerable = <Code extends Refused & ProblemCode>(code: Code): Code => code;
const every: (code: Refused) => ProblemCode = answerable;

describe("what the caller of the protected API sees", () => {
  test("nothing tells an unknown key from a revoked one, or from noise", () => {
    const { malformed, unknown, revoked } = verdicts;
    for (const { status, public: code } of [malformed, unknown, revoked])
      expect({ status, code }).toEqual({ status: 401, code: "invalid_key" });
  });

  test("every other outcome has a public code of its own", () => {
    const shared: VerdictCode[] = ["malformed", "unknown", "revoked"];
    const others = (Object.keys(verdicts) as VerdictCode[]).filter((code) => !shared.includes(code));
    const codes = others.map((code) => verdicts[code].public);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).not.toContain("invalid_key");
  });

  test("no public code speaks of revocation", () => {
    for (const { public: code } of Object.values(verdicts)) expect(code).not.toMatch(/revok|unknown|malformed/);
  });

  test("only `ok` is no error; a refusal is never the caller's server error but where the verifier can't decide", () => {
    for (const [code, { status }] of Object.entries(verdicts)) {
      if (code === "ok") expect(status).toBe(200);
      else if (code === "stale_replica") expect(status).toBe(503);
      else if (code === "rate_limited" || code === "quota_exceeded") expect(status).toBe(429);
      else expect([401, 403]).toContain(status);
    }
  });
});

describe("the tables", () => {
  test("codes are snake_case and texts are sentences", () => {
    for (const code of [...Object.keys(verdicts), ...Object.keys(problems)]) expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    for (const { text } of Object.values(verdicts)) expect(text).toMatch(/^[A-Z].*\.$/);
    for (const { title } of Object.values(problems)) expect(title.length).toBeGreaterThan(10);
  });

  test("problems are errors", () => {
    for (const { status } of Object.values(problems)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
    }
  });

  test("core's refusals are among them", () => {
    expect(problems[every("rotation_not_offered")].status).toBe(409);
  });

  test("each code has a place in the docs", () => {
    expect(docsUrl("retired")).toMatch(/^https:\/\/.*\/errors#retired$/);
  });
});
