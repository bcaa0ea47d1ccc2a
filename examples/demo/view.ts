/** What the demo shows: on a terminal a frame redrawn in place, elsewhere a line now and then. */
import type { Bot } from "./cast.ts";

export interface View {
  say(text: string): void;
  follow(read: () => { bots: Bot[]; rotations: Record<string, number> | undefined }): void;
  stop(): void;
}

const FRAME_MS = 200;
const BAR = 40;

export function createView(out: NodeJS.WriteStream, quiet: boolean): View {
  const live = out.isTTY && !quiet;
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;
  const startedAt = Date.now();

  const erase = () => {
    if (drawn > 0) out.write(`\x1b[${drawn}A\x1b[0J`);
    drawn = 0;
  };
  const draw = (lines: string[]) => {
    erase();
    out.write(`${lines.join("\n")}\n`);
    drawn = lines.length;
  };

  return {
    say(text) {
      if (live) erase();
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(5);
      out.write(text === "" ? "\n" : `${seconds} s  ${text}\n`);
    },
    follow(read) {
      if (live) timer = setInterval(() => draw(frame(read())), FRAME_MS);
    },
    stop() {
      clearInterval(timer);
      if (live) erase();
    },
  };
}

function frame({ bots, rotations }: { bots: Bot[]; rotations: Record<string, number> | undefined }): string[] {
  const total = (of: (bot: Bot) => number) => bots.reduce((sum, bot) => sum + of(bot), 0);
  const requests = total(({ counts }) => counts.requests);
  const refused = total(({ counts }) => counts.refused);
  const moved = bots.filter(({ counts }) => counts.currentVersion > 1).length;
  const filled = Math.round((moved / bots.length) * BAR);
  const phases = Object.entries(rotations ?? {}).map(([phase, count]) => `${phase} ${count}`);
  return [
    "",
    `  requests ${String(requests).padStart(8)}     refused ${refused}`,
    `  old key ${"░".repeat(BAR - filled)}${"█".repeat(filled)} new key   ${moved} of ${bots.length} bots`,
    `  ${phases.join("   ") || "no rotation yet"}`,
  ];
}
