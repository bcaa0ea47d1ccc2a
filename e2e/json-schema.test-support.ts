/** What the OpenAPI document says of a value, held against the value. Knows the keywords that our document uses, and fails at any other. */

export type Schema = { [keyword: string]: unknown };

/** Everything that is wrong, each with its place. `root` resolves `#/…` references. */
export function schemaProblems(schema: Schema, value: unknown, root: object, place = "$"): string[] {
  return Object.entries(schema).flatMap(([keyword, expected]) => {
    const check = checks[keyword];
    if (check === undefined) return [`${place}: the schema uses ${keyword}, which this test does not know`];
    return check(expected as never, value, { root, place, schema });
  });
}

interface At {
  root: object;
  place: string;
  schema: Schema;
}

type Check = (expected: never, value: unknown, at: At) => string[];

const nothing = () => [];
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function typeOf(value: unknown): string[] {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  if (typeof value === "number") return Number.isInteger(value) ? ["number", "integer"] : ["number"];
  return [typeof value];
}

const wrong = (is: boolean, { place }: At, what: string): string[] => (is ? [`${place}: ${what}`] : []);

const checks: Record<string, Check> = {
  description: nothing,
  default: nothing,
  examples: nothing,
  title: nothing,
  format: nothing,
  type: (expected: string | string[], value, at) =>
    wrong(!typeOf(value).some((type) => [expected].flat().includes(type)), at, `is no ${String(expected)}`),
  enum: (expected: unknown[], value, at) => wrong(!expected.includes(value), at, `is none of ${expected.join(", ")}`),
  const: (expected: unknown, value, at) => wrong(expected !== value, at, `is not ${String(expected)}`),
  minimum: (expected: number, value, at) =>
    wrong(typeof value === "number" && value < expected, at, `is below ${expected}`),
  maximum: (expected: number, value, at) =>
    wrong(typeof value === "number" && value > expected, at, `is above ${expected}`),
  minLength: (expected: number, value, at) =>
    wrong(typeof value === "string" && value.length < expected, at, "is too short"),
  maxLength: (expected: number, value, at) =>
    wrong(typeof value === "string" && value.length > expected, at, "is too long"),
  pattern: (expected: string, value, at) =>
    wrong(typeof value === "string" && !new RegExp(expected, "u").test(value), at, `is not like ${expected}`),
  minItems: (expected: number, value, at) =>
    wrong(Array.isArray(value) && value.length < expected, at, "has too few items"),
  maxItems: (expected: number, value, at) =>
    wrong(Array.isArray(value) && value.length > expected, at, "has too many items"),
  required: (expected: string[], value, at) =>
    isObject(value) ? expected.filter((name) => !(name in value)).map((name) => `${at.place}: has no ${name}`) : [],
  properties(expected: Record<string, Schema>, value, { root, place }) {
    if (!isObject(value)) return [];
    const given = Object.entries(expected).filter(([name]) => name in value);
    return given.flatMap(([name, schema]) => schemaProblems(schema, value[name], root, `${place}.${name}`));
  },
  additionalProperties(expected: boolean | Schema, value, { root, place, schema }) {
    if (!isObject(value) || expected === true) return [];
    const known = Object.keys((schema.properties ?? {}) as object);
    const others = Object.keys(value).filter((name) => !known.includes(name));
    if (expected === false) return others.map((name) => `${place}: has ${name}, which is not documented`);
    return others.flatMap((name) => schemaProblems(expected, value[name], root, `${place}.${name}`));
  },
  propertyNames: (expected: Schema, value, { root, place }) =>
    isObject(value)
      ? Object.keys(value).flatMap((name) => schemaProblems(expected, name, root, `${place}(${name})`))
      : [],
  items: (expected: Schema, value, { root, place }) =>
    Array.isArray(value) ? value.flatMap((item, i) => schemaProblems(expected, item, root, `${place}[${i}]`)) : [],
  anyOf(expected: Schema[], value, { root, place }) {
    const all = expected.map((schema) => schemaProblems(schema, value, root, place));
    return all.some((problems) => problems.length === 0)
      ? []
      : [`${place}: fits none of ${expected.length}: ${all.flat().join("; ")}`];
  },
  oneOf(expected: Schema[], value, { root, place }) {
    const all = expected.map((schema) => schemaProblems(schema, value, root, place));
    const fitting = all.filter((problems) => problems.length === 0).length;
    return fitting === 1 ? [] : [`${place}: fits ${fitting} of ${expected.length}, not one: ${all.flat().join("; ")}`];
  },
  $ref: (expected: string, value, { root, place }) => schemaProblems(resolve(expected, root), value, root, place),
};

export function resolve(reference: string, root: object): Schema {
  const found = reference
    .slice(2)
    .split("/")
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], root);
  if (found === undefined) throw new Error(`the document has no ${reference}`);
  return found as Schema;
}
