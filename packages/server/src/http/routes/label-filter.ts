import { z } from "zod";

const LABEL = /^([A-Za-z0-9_.-]{1,50})=(.{0,200})$/;

/** `?label=team=desk&label=region=eu`: all must hold. */
export const labelFilter = z
  .union([z.string(), z.array(z.string()).max(20)])
  .optional()
  .transform((given, context) => {
    const pairs = given === undefined ? [] : [given].flat();
    const labels: [name: string, value: string][] = [];
    for (const pair of pairs) {
      const match = LABEL.exec(pair);
      if (match === null)
        context.addIssue({ code: "custom", message: `"${pair.slice(0, 60)}" is no label; write name=value` });
      else labels.push([match[1] as string, match[2] as string]);
    }
    return Object.fromEntries(labels);
  })
  .describe("name=value; may be given several times.");
