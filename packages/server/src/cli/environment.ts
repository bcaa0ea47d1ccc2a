/** The environment variables that the program reads: for `--help`. A test holds the list equal to what the code reads. */
type Variable = readonly [name: string, about: string];

const OF_EVERYBODY: readonly Variable[] = [
  ["KEYOVER_URL", "the authority (otherwise http://127.0.0.1:7700)"],
  ["KEYOVER_TOKEN", "the token"],
  ["KEYOVER_TOKEN_FILE", "or a file of mode 0600 that holds it"],
  ["KEYOVER_ALLOW_PLAIN_HTTP", "1: send tokens over http:// to another machine, where nobody else can listen"],
  ["KEYOVER_KEY", "the key, for verify"],
  ["NODE_EXTRA_CA_CERTS", "certificate to trust besides the well-known ones"],
  ["NO_COLOR", "no colours; neither with TERM=dumb"],
];

const OF_THE_PLACE: readonly Variable[] = [
  ["KEYOVER_DATA", "data folder (otherwise keyover-data)"],
  ["KEYOVER_MASTER_KEY_FILE", "master key (otherwise master.key in the data folder)"],
  ["DATABASE_URL", "PostgreSQL instead of SQLite: its URL"],
  ["KEYOVER_DATABASE_URL_FILE", "or a file of mode 0600 that holds it"],
];

const OF_SERVE: readonly Variable[] = [
  ["KEYOVER_LISTEN", "host:port (otherwise 127.0.0.1:7700)"],
  ["KEYOVER_LOG_LEVEL", "debug, info, warn, error or silent (otherwise info)"],
  ["KEYOVER_SMTP_URL", "mail server for notices, such as smtps://user:password@mail.example.com"],
  ["KEYOVER_MAIL_FROM", "whom they come from, such as keyover@example.com; needed with KEYOVER_SMTP_URL"],
  [
    "KEYOVER_NOTICE_PRIVATE_TARGETS",
    "networks inside that webhooks may go to, such as 10.1.2.0/24,10.1.3.0/24 (otherwise none)",
  ],
  ["KEYOVER_TELEGRAM_URL", "another way to Telegram's API, such as a proxy"],
  ["KEYOVER_PAGERDUTY_URL", "another way to PagerDuty's API, such as a proxy or its EU region"],
];

const OF_VERIFIER: readonly Variable[] = [
  ["GLIBC_TUNABLES", "of its --workers; otherwise glibc.malloc.hugetlb=1: pages of 2 MB"],
];

export function programEnvironment(): string {
  return [
    linesOf("Environment", OF_EVERYBODY),
    linesOf("and of serve, init, migrate and doctor", OF_THE_PLACE),
    linesOf("and of serve", OF_SERVE),
    linesOf("and of verifier", OF_VERIFIER),
  ].join("\n");
}

export function serveEnvironment(): string {
  return linesOf("Environment", [...OF_THE_PLACE, ...OF_SERVE]);
}

function linesOf(heading: string, variables: readonly Variable[]): string {
  const width = Math.max(
    ...[...OF_EVERYBODY, ...OF_THE_PLACE, ...OF_SERVE, ...OF_VERIFIER].map(([name]) => name.length),
  );
  return `${heading}:\n${variables.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`).join("\n")}`;
}
