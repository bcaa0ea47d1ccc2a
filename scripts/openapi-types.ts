// Keeps the client's types in step with the server's OpenAPI document.
//
//   node scripts/openapi-types.ts                      writes packages/client/src/generated/api.ts
//   node scripts/openapi-types.ts --check              fails if that file differs from what would be written
//   node scripts/openapi-types.ts --document <file>    writes the document itself, for the linter

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(import.meta.dirname);
const source = join(root, "packages/server/src/http/openapi.ts");
const target = join(root, "packages/client/src/generated/api.ts");

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
  const wanted = await generate(document);
  const found = existsSync(target) ? readFileSync(target, "utf8") : "";
  if (!values.check) {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, wanted);
  } else if (found !== wanted) {
    console.error(`${relative(root, target)} is not what the OpenAPI document says: run \`npm run openapi-types\``);
    process.exitCode = 1;
  }
}

// Until the server has its document there is nothing to compare. Remove these lines (and their like in check.ts) then.
if (existsSync(source)) await run();
else console.log("skipped: not there yet");
