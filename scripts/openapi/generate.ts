import openapiTS, { astToString, type OpenAPI3 } from "openapi-typescript";

/** TypeScript types for an OpenAPI document, as the text of a module. */
export async function generate(document: object): Promise<string> {
  const types = astToString(await openapiTS(document as OpenAPI3, { alphabetize: true }));
  return `// Made by \`npm run openapi-types\` from the server's OpenAPI document. Not written by hand.\n\n${types}`;
}
