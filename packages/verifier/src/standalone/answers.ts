/**
 * What the standalone verifier answers with, as data: status, headers as a flat list (name, value, name, value: what `writeHead` takes
 * without another pass), body.
 *
 * Yes is a status without a body, and who it is in headers. nginx gives up the connection over an answer with a body; Envoy
 * takes 200 alone for a yes.
 */
import { docsUrl, type ProblemCode, problemBody, type Verdict, verdicts } from "@keyover/core";
import { MALFORMED } from "../api-replica.ts";
import type { FormProblem } from "./presented.ts";
import type { Wanted } from "./wanted.ts";

export interface Answer {
  status: number;
  headers: string[];
  body: string;
}

/** The same status, headers and body that the adapters answer with; or the body in a header. */
export function no(verdict: Verdict, wanted: Wanted): Answer {
  return refusal(wanted.door.refuse(verdict), verdicts[verdict.code].public, wanted.problemInHeader);
}

const formProblems: Record<FormProblem, string> = {
  two_credentials: "A header that carries the key is there twice.",
  key_in_query: "The key stands in the query string, and so in every log on the way. Send it in a header.",
};

/** Of the request's form alone, whether the key is known or not: this may be explained to anybody. */
export function noForItsForm(problem: FormProblem, wanted: Wanted): Answer {
  const { status, headers, body } = wanted.door.refuse(MALFORMED);
  const explained = JSON.stringify({ ...(JSON.parse(body) as object), detail: formProblems[problem] });
  return refusal({ status, headers, body: explained }, "invalid_key", wanted.problemInHeader);
}

function refusal(
  parts: { status: number; headers: [string, string][]; body: string },
  code: string,
  problemInHeader: boolean,
): Answer {
  const headers = ["Keyover-Code", code, "Keyover-Status", String(parts.status)];
  for (const [name, value] of parts.headers) if (!problemInHeader || name !== "content-type") headers.push(name, value);
  if (problemInHeader) headers.push("Keyover-Problem", parts.body, "Content-Length", "0");
  return { status: parts.status, headers, body: problemInHeader ? "" : parts.body };
}

export function json(status: number, value: unknown): Answer {
  const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"];
  return { status, headers, body: JSON.stringify(value) };
}

export function plain(body: string): Answer {
  return { status: 200, headers: ["Content-Type", "text/plain; version=0.0.4; charset=utf-8"], body };
}

/** About the request itself, or the gateway's configuration; never about a key. */
export function problem(code: ProblemCode, detail: string, status?: number): Answer {
  const body = { ...problemBody(code, detail), ...(status === undefined ? {} : { status }) };
  const headers = ["Content-Type", "application/problem+json", "Cache-Control", "no-store"];
  return { status: body.status, headers, body: JSON.stringify(body) };
}

/** For a response that a first attempt has marked as one without a body, as Node does with 204 before it looks at the headers. */
export function bareUnavailable(): Answer {
  const { status, public: code } = verdicts.stale_replica;
  const headers = ["Keyover-Code", code, "Keyover-Status", String(status), "Retry-After", "1", "Content-Length", "0"];
  return { status, headers: [...headers, "Cache-Control", "no-store"], body: "" };
}

/** Answers to what Node's parser could not read are written by hand, and the connection is given up. */
export function rawProblem(status: number, reason: string, detail: string): string {
  const body = JSON.stringify({
    type: docsUrl("invalid_request"),
    title: reason,
    status,
    code: "invalid_request",
    detail,
  });
  return `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
