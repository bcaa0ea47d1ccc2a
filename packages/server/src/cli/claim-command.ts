/** `keyover rotation claim`: a consumer that has no program for it takes its successor by hand. */
import type { Command } from "commander";
import { calls, show } from "./command-group.ts";
import { type Io, painterOf } from "./io.ts";
import { fields, moment } from "./render.ts";
import { keepSecret } from "./secret-file.ts";

export function claimCommand(group: Command, io: Io): void {
  const claim = group
    .command("claim")
    .argument("<rotation>", "handle, rot_…")
    .description("as the consumer, with its token: take the successor; the old version goes on working meanwhile")
    .option("--secret-file <file>", "write the secret there, mode 0600, instead of showing it");
  calls<{ secretFile?: string }, [string]>(
    claim,
    io,
    ["keyover rotation claim rot_… --token-file acme.token --secret-file acme-2.key"],
    async (call, rotation) => {
      const answer = await keepSecret(
        io,
        call.options.secretFile,
        () => call.api.request("post", "/v1/rotations/{rotation}/claim", { params: { rotation } }),
        "It can be claimed again until it is used.",
      );
      show(call, answer, ({ key, version, endsAt, secret }) => {
        const about = fields([
          ["rotation", rotation],
          ["key", key],
          ["version", version],
          ["deadline", moment(endsAt, call.now)],
        ]);
        if (secret === null) return about;
        const shown = painterOf(io)("bold", secret);
        return `${about}\n\nThe secret. It can be claimed again until it is used; put it where the old one is:\n\n  ${shown}`;
      });
    },
  );
}
