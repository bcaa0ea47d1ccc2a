/**
 * What OAuth's endpoints at verifier and authority (RFC 7662, RFC 7009) take and refuse, in the words of RFC 6749: forms, client
 * credentials, errors. Pure.
 */

/** The form of RFC 6749 §5.2. */
export interface OauthError {
  error: OauthErrorCode;
  error_description: string;
}

export type OauthErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_token"
  | "unauthorized_client"
  | "unsupported_token_type"
  | "temporarily_unavailable";

/** `description` goes to strangers: it names no value. Without quotes and backslashes (RFC 6749 §5.2). */
export function oauthError(error: OauthErrorCode, description: string): OauthError {
  return { error, error_description: description };
}

/** Longer than any token, with room for what frameworks send besides. */
export const FORM_BYTES_MAX = 65_536;

export function isForm(contentType: string | undefined): boolean {
  return /^application\/x-www-form-urlencoded *(;|$)/i.test(contentType ?? "");
}

/**
 * The parameters of a form by name, or a sentence that says what is wrong with it. One without a value is as if it were not there, one that is
 * there twice spoils the form, whatever it is (RFC 6749 §3.1); what nobody asked for is passed over by not being read.
 */
export function readForm(text: string): Map<string, string> | string {
  const seen = new Set<string>();
  const found = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decoded(pair.slice(at + 1));
    if (name === undefined || value === undefined) return "The form is not percent-encoded UTF-8.";
    if (seen.has(name)) return "A parameter is there twice.";
    seen.add(name);
    if (value !== "") found.set(name, value);
  }
  return found;
}

/** A caller's credential: a bearer token (RFC 6750), or the password of HTTP Basic, whoever it says that it is. */
export interface ClientCredential {
  scheme: "bearer" | "basic";
  /** What it may be: a password of Basic as it stands, and as decoded from a form's encoding (RFC 6749 §2.3.1), which not every client does. */
  secrets: readonly string[];
}

/**
 * Libraries for introspection and revocation know a client's id and secret, not a bearer token: there the secret is the token, and the id
 * is not looked at. Undefined for no header; no secret for one that can't be read.
 */
export function clientCredential(authorization: string | undefined): ClientCredential | undefined {
  if (authorization === undefined) return undefined;
  const [, scheme = "", text = ""] = /^(bearer|basic) +([\x21-\x7e]{1,4000})$/i.exec(authorization.trim()) ?? [];
  if (scheme.toLowerCase() !== "basic") return { scheme: "bearer", secrets: text === "" ? [] : [text] };
  const pair = fromBase64(text);
  const password = pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : "";
  const secrets = new Set([password, decoded(password) ?? ""].filter((each) => each !== ""));
  return { scheme: "basic", secrets: [...secrets] };
}

function fromBase64(text: string): string {
  try {
    return atob(text);
  } catch {
    return "";
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
