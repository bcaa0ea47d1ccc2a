/** Mail over one SMTP server, which the operator names. */
import type { Attempt } from "./senders.ts";

export interface Mail {
  /** Of the notice: the Message-ID, the same however often it is sent. */
  id: string;
  to: string;
  subject: string;
  text: string;
  html: string;
  urgent: boolean;
}

export interface Mailer {
  send(mail: Mail, signal: AbortSignal): Promise<Attempt>;
}

export interface MailConfig {
  /** `smtps://user:password@host:465`, or `smtp://` with STARTTLS. */
  url: string;
  from: string;
}

const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 5_000 };

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What is wrong with the configuration, or undefined. The URL is not repeated: it holds a password. */
export function mailProblem({ url, from }: MailConfig): string | undefined {
  if (!URL.canParse(url) || !["smtp:", "smtps:"].includes(new URL(url).protocol))
    return "KEYOVER_SMTP_URL takes smtp://… or smtps://…";
  return /^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/.test(from) ? undefined : "KEYOVER_MAIL_FROM takes an address";
}

export function createMailer({ url, from }: MailConfig): Mailer {
  // In the clear only where nobody else can listen, or where the URL says so.
  const { hostname, searchParams } = new URL(url);
  const requireTLS = !LOOPBACK.test(hostname) && searchParams.get("requireTLS") !== "false";
  // Loaded with the first mail: 20 MB that most processes never need.
  const open = async () => {
    const { createTransport } = await import("nodemailer");
    return createTransport({ url, ...TIMEOUTS, requireTLS, disableFileAccess: true, disableUrlAccess: true });
  };
  let transport: ReturnType<typeof open> | undefined;
  const domain = /@([^\s@<>]+?)>?$/.exec(from)?.[1] ?? "localhost";
  return {
    async send({ id, to, subject, text, html, urgent }, signal) {
      try {
        transport ??= open();
        await (await transport).sendMail({
          from,
          // As it is: text would be read as a list.
          to: { name: "", address: to },
          subject,
          text,
          html,
          messageId: `<${id}@${domain}>`,
          ...(urgent ? { priority: "high" as const } : {}),
          // RFC 3834: no out-of-office answers.
          headers: { "Auto-Submitted": "auto-generated", "X-Keyover-Notice": id },
          signal,
        });
        return { ok: true, status: null };
      } catch (error) {
        return failed(error);
      }
    },
  };
}

/** The server's own words can hold addresses and more; its codes say enough. */
function failed(error: unknown): Attempt {
  const { code, responseCode } = (error ?? {}) as { code?: string; responseCode?: number };
  const status = responseCode ?? null;
  const said = [code, status].filter((part) => part != null).join(" ");
  // 5xx is for good (RFC 5321 §4.2.1), but for a server that does not let us in: that is a matter of configuration.
  const never = status !== null && status >= 500 && code !== "EAUTH" && code !== "ECONNECTION" && code !== "ETLS";
  const reason = `the mail server: ${said || "failed"}`;
  return { ok: false, again: never ? "never" : "later", status, error: reason, publicError: reason };
}
