/** What a campaign or an emergency would select, before anything begins. */
import { type Preview, previewText, SAMPLES } from "./campaign-text.ts";
import { type Call, show } from "./command-group.ts";
import { RefusedError } from "./exit-codes.ts";
import { remark } from "./io.ts";
import { namesOf } from "./names.ts";

/** The answer of a dry run. Nothing selected is an answer that nobody wants, least of all for a misspelt label in an emergency. */
export async function showPreview(call: Call<object>, preview: Preview, strikes: boolean): Promise<void> {
  const empty = preview.selection.keys === 0;
  const text = await textOf(call, preview, strikes);
  if (!empty || call.options.json) show(call, preview, () => text);
  if (empty) throw new RefusedError(text);
}

/** What is asked about next. */
export async function remarkPreview(call: Call<object>, preview: Preview, strikes: boolean): Promise<void> {
  if (preview.selection.keys > 0) remark(call.io, await textOf(call, preview, strikes));
}

async function textOf(call: Call<object>, preview: Preview, strikes: boolean): Promise<string> {
  const wanted = { consumers: preview.samples.slice(0, SAMPLES).map(({ consumer }) => consumer) };
  return previewText(preview, await namesOf(call, wanted, { consumers: preview.consumers }), strikes);
}
