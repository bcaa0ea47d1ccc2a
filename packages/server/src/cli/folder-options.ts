/** Where the data folder and the master key are, by option, environment or default. */
import type { Command } from "commander";
import type { Io } from "./io.ts";

export interface FolderOptions {
  data?: string;
  masterKeyFile?: string;
}

const DATA_DEFAULT = "keyover-data";

export function folderOptions(command: Command): Command {
  return command
    .option("--data <folder>", `data folder (KEYOVER_DATA; otherwise ${DATA_DEFAULT})`)
    .option(
      "--master-key-file <file>",
      "master key (KEYOVER_MASTER_KEY_FILE; otherwise master.key in the data folder)",
    );
}

export function folderOf(options: FolderOptions, io: Io): { data: string; masterKeyFile: string | undefined } {
  return {
    data: options.data ?? (io.env.KEYOVER_DATA || DATA_DEFAULT),
    masterKeyFile: options.masterKeyFile ?? (io.env.KEYOVER_MASTER_KEY_FILE || undefined),
  };
}
