/** How notices leave this process, from its environment: a mail server's URL holds a password, which is nothing for a command line. */
import { parseNetwork } from "@keyover/core";
import { mailProblem } from "../notices/mailer.ts";
import type { NoticesConfig } from "../notices/notices.ts";
import { UnsafeConfigurationError } from "./exit-codes.ts";

export function noticesConfigOf(env: Record<string, string | undefined>): NoticesConfig {
  const url = env.KEYOVER_SMTP_URL || undefined;
  const from = env.KEYOVER_MAIL_FROM || undefined;
  if ((url === undefined) !== (from === undefined))
    throw new UnsafeConfigurationError("KEYOVER_SMTP_URL and KEYOVER_MAIL_FROM go together; give both");
  const mail = url === undefined || from === undefined ? undefined : { url, from };
  const problem = mail === undefined ? undefined : mailProblem(mail);
  if (problem !== undefined) throw new UnsafeConfigurationError(problem);
  const allowedPrivate = (env.KEYOVER_NOTICE_PRIVATE_TARGETS ?? "").split(/[\s,]+/).filter((text) => text !== "");
  const wrong = allowedPrivate.find((network) => parseNetwork(network) === undefined);
  if (wrong !== undefined)
    throw new UnsafeConfigurationError(
      `KEYOVER_NOTICE_PRIVATE_TARGETS takes networks such as 10.1.2.0/24, separated by commas; got "${wrong}"`,
    );
  const telegram = baseOf(env, "KEYOVER_TELEGRAM_URL");
  const pagerduty = baseOf(env, "KEYOVER_PAGERDUTY_URL");
  const bases = { ...(telegram === undefined ? {} : { telegram }), ...(pagerduty === undefined ? {} : { pagerduty }) };
  return { mail, allowedPrivate, bases };
}

function baseOf(env: Record<string, string | undefined>, name: string): string | undefined {
  const text = env[name] || undefined;
  if (text !== undefined && !URL.canParse(text)) throw new UnsafeConfigurationError(`${name} takes a URL`);
  return text?.replace(/\/+$/, "");
}
