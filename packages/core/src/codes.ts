/**
 * Every code that Keyover answers with, once. docs/errors.md is held equal to these tables by a test.
 *
 * `verdicts`: the outcome of a verification. `public` is the code that the caller of the protected API sees: nothing that
 * tells an unknown key from a revoked one (a thief learns nothing), while the holder of a key that was valid once is
 * told what happened to it.
 */
export const verdicts = {
  ok: { status: 200, public: "ok", text: "The key is accepted." },
  malformed: { status: 401, public: "invalid_key", text: "The text is no key of this API: form or checksum is wrong." },
  unknown: { status: 401, public: "invalid_key", text: "No such key." },
  revoked: { status: 401, public: "invalid_key", text: "The key, or this version of it, was revoked." },
  retired: { status: 401, public: "key_retired", text: "This version of the key was replaced by a newer one." },
  expired: { status: 401, public: "key_expired", text: "The key has expired." },
  suspended: { status: 403, public: "key_suspended", text: "The key is suspended." },
  wrong_environment: {
    status: 401,
    public: "wrong_environment",
    text: "The key belongs to another environment of this API.",
  },
  network_denied: { status: 403, public: "network_denied", text: "The key is not accepted from this network." },
  insufficient_scope: {
    status: 403,
    public: "insufficient_scope",
    text: "The key lacks a scope that this request needs.",
  },
  fenced: {
    status: 403,
    public: "key_fenced",
    text: "This version of the key is limited while its successor waits; change over.",
  },
  brownout: {
    status: 401,
    public: "key_brownout",
    text: "This version of the key is refused for a short time, as it will be for good; change over.",
  },
  rate_limited: {
    status: 429,
    public: "rate_limited",
    text: "The key is used more often than its plan allows; wait as long as Retry-After says.",
  },
  quota_exceeded: {
    status: 429,
    public: "quota_exceeded",
    text: "What the key's plan allows in this period is used up.",
  },
  stale_replica: {
    status: 503,
    public: "verifier_unavailable",
    text: "This server can't decide on keys at the moment; try again shortly.",
  },
} as const satisfies Record<string, { status: number; public: string; text: string }>;

export type VerdictCode = keyof typeof verdicts;

/** The authority's own errors: RFC 9457 problem details. `title` is public; details are added where they help. */
export const problems = {
  invalid_request: { status: 400, title: "The request does not have the form that this call takes." },
  unauthenticated: { status: 401, title: "A token is needed: Authorization: Bearer kot_…" },
  forbidden: { status: 403, title: "This token may not do that." },
  not_found: { status: 404, title: "There is no such thing, or this token may not see it." },
  conflict: { status: 409, title: "Somebody else changed the same thing at the same time; read it again and retry." },
  name_taken: { status: 409, title: "That name is in use." },
  ambiguous: { status: 409, title: "More than one thing goes by that name." },
  rotation_in_progress: { status: 409, title: "The key is in rotation already." },
  rotation_not_due: { status: 409, title: "The rotation starts later." },
  rotation_not_offered: { status: 409, title: "The successor is not offered yet." },
  rotation_ended: { status: 409, title: "The rotation has ended." },
  claim_ended: { status: 410, title: "The successor can no longer be claimed." },
  successor_claimed: { status: 409, title: "The successor was handed out already." },
  successor_in_use: { status: 409, title: "The successor is in use." },
  version_compromised: { status: 409, title: "The version is marked compromised." },
  already_retired: { status: 409, title: "The old version is retired already." },
  already_rolled_back: { status: 409, title: "The rotation was rolled back already." },
  overlap_out_of_range: { status: 422, title: "The deadline lies outside what the policy allows." },
  extension_not_allowed: { status: 403, title: "The policy does not let the consumer move the deadline so far." },
  rotation_paused: { status: 409, title: "The rotation is paused." },
  contain_needs_old_version: { status: 409, title: "Only the old version of a rotation can be contained." },
  no_such_version: { status: 404, title: "The key has no such version." },
  brownout_running: { status: 409, title: "A brownout runs already." },
  brownout_out_of_range: { status: 422, title: "The brownout is too long, or runs into the next one." },
  no_brownout: { status: 409, title: "No brownout runs, and none is planned." },
  no_fence: { status: 409, title: "The old version has no fence of the policy's." },
  key_is_revoked: { status: 409, title: "The key is revoked; that is final." },
  nothing_to_restore: { status: 409, title: "The key is not suspended." },
  unknown_scope: { status: 422, title: "The api has no such scope." },
  scope_not_narrower: { status: 422, title: "A rotation may narrow a key's scopes, never widen them." },
  unknown_environment: { status: 422, title: "The api has no such environment." },
  invalid_policy: { status: 422, title: "The policy contradicts itself." },
  invalid_plan: { status: 422, title: "The limits of the plan are out of range, or contradict each other." },
  unknown_plan: { status: 422, title: "The api has no such plan." },
  plan_in_use: { status: 409, title: "The plan is an api's default, or keys have it." },
  policy_in_use: { status: 409, title: "The policy is attached to something." },
  idempotency_mismatch: { status: 422, title: "This Idempotency-Key was used for another request." },
  channel_in_use: { status: 409, title: "Other channels escalate to this one, or policies name it." },
  unknown_channel: { status: 422, title: "There is no channel of that name." },
  channel_target_refused: { status: 422, title: "Notices may not be sent there." },
  mail_not_configured: { status: 409, title: "This authority has no mail server (KEYOVER_SMTP_URL)." },
  channel_secret_overlap: { status: 409, title: "Two signing secrets are in force already; end the older one first." },
  notice_waiting: { status: 409, title: "The notice is still on its way." },
  selection_empty: { status: 422, title: "No key is selected." },
  selection_grew: { status: 409, title: "More keys are selected than were expected." },
  invalid_campaign: { status: 422, title: "The campaign contradicts itself." },
  campaign_ended: { status: 409, title: "The campaign has ended." },
  campaign_not_waiting: { status: 409, title: "The campaign waits for nothing that could be passed over." },
  campaign_rolling_back: { status: 409, title: "A wave of the campaign is being taken back." },
  wave_not_started: { status: 409, title: "Nothing was started in that wave." },
  secret_erased: { status: 410, title: "The secret is no longer held by the server." },
  claim_not_allowed: { status: 403, title: "The key's policy does not let this caller take the successor." },
  unknown_boot: { status: 409, title: "This boot of the verifier is not registered, or no longer; register again." },
  report_gap: { status: 409, title: "The report does not follow the last one." },
  feed_ahead: { status: 409, title: "The feed has not reached that number." },
  feed_compacted: { status: 410, title: "The feed no longer holds that number; start from a snapshot." },
  payload_too_large: { status: 413, title: "The request is larger than this call takes." },
  unsupported_media_type: { status: 415, title: "Send JSON: Content-Type: application/json." },
  internal: {
    status: 500,
    title: "Something went wrong on our side. Nothing was changed unless a later look says so.",
  },
  storage_full: { status: 507, title: "The disk is full; nothing was changed." },
  storage_unavailable: {
    status: 503,
    title: "The database can't be reached, or is too busy; nothing was changed. Try again shortly.",
  },
  outcome_unknown: {
    status: 503,
    title:
      "The database went away during this change; it may or may not have been made. Repeat it with its Idempotency-Key.",
  },
  shutting_down: { status: 503, title: "The server is shutting down; try again shortly." },
  reconciling: {
    status: 503,
    title: "The database was restored and is being compared with what verifiers remember; see the docs.",
  },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** Where a code is explained. */
export function docsUrl(code: string): string {
  return `https://keyover.dev/docs/errors#${code}`;
}

/** RFC 9457 problem details. Members beyond these five are the code's own (such as `rotation`, `known`). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string | undefined;
  [member: string]: unknown;
}

export function problemBody(code: ProblemCode, detail?: string, members: Record<string, unknown> = {}): Problem {
  const { status, title } = problems[code];
  return { type: docsUrl(code), title, status, code, ...(detail === undefined ? {} : { detail }), ...members };
}
