/** What a campaign or an emergency would select, before anything begins. */
import { type Preview, previewText } from "./campaign-text.ts";
import { type Call, show } from "./command-group.ts";
import { RefusedError } from "./exit-codes.ts";
import { remark } from "./io.ts";

/** The answer of a dry run. Nothing selected is an answer that nobody wants, least of all for a misspelt label in an emergency. */
export function showPreview(call: Call<object>, preview: Preview, strikes: boolean): void {
  const empty = preview.selection.keys === 0;
  if (!empty || call.options.json) show(call, preview, (answer) => previewText(answer, strikes));
  if (empty) throw new RefusedError(previewText(preview, strikes));
}

/** What is asked about next. */
export function remarkPreview(call: Call<object>, preview: Preview, strikes: boolean): void {
  if (preview.selection.keys > 0) remark(call.io, previewText(preview, strikes));
}
