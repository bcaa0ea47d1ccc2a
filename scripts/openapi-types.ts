// Keeps the client's types in step with the server's OpenAPI document, and the JSON Schema of policies with their shapes.
//
//   node scripts/openapi-types.ts                      writes packages/client/src/generated/api.ts, docs/policy.schema.json
//   node scripts/openapi-types.ts --check              fails if one of them differs from what would be written
//   node scripts/openapi-types.ts --document <file>    writes the document itself, for the linter

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(import.meta.dirname);
const source = join(root, "packages/server/src/http/openapi.ts");
const target = join(root, "packages/client/src/generated/api.ts");
const policies = join(root, "packages/server/src/http/policy-schemas.ts");
const policySchema = join(root, "docs/policy.schema.json");

const { values } = parseArgs({ options: { check: { type: "boolean" }, document: { type: "string" } } });

async function openapiDocument(): Promise<object> {
  const server: { openapiDocument: () => Promise<object> } = await import(pathToFileURL(source).href);
  return server.openapiDocument();
}

async function run(): Promise<void> {
  const document = await openapiDocument();
  if (values.document !== undefined) {
    writeFileSync(values.document, `${JSON.stringify(document, null, 2)}\n`);
    return;
  }
  const { generate } = await import("./openapi/generate.ts");
  keep(target, await generate(document), "the OpenAPI document says");
  const { policyJsonSchema }: typeof import("../packages/server/src/http/policy-schemas.ts") = await import(
    pathToFileURL(policies).href
  );
  keep(policySchema, `${JSON.stringify(policyJsonSchema(), null, 2)}\n`, "the shapes of policies say");
}

/** Writes it, or with `--check` says that it should be written. */
function keep(path: string, wanted: string, source: string): void {
  const found = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (!values.check) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, wanted);
  } else if (found !== wanted) {
    console.error(`${relative(root, path)} is not what ${source}: run \`npm run openapi-types\``);
    process.exitCode = 1;
  }
}

// Until the server has its document there is nothing to compare. Remove these lines (and their like in check.ts) then.
if (existsSync(source)) await run();
else console.log("skipped: not there yet");
