/** The worked examples of docs/rotation.md and the playbooks are run as they stand there; how, and what the comments in them mean: worked-examples.test-support.ts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { endAll, pathOf } from "./processes.test-support.ts";
import { Stage, type Step, stepsOf, stepsUnder } from "./worked-examples.test-support.ts";

const docs = pathOf("../docs");
const rotation = readFileSync(join(docs, "rotation.md"), "utf8");
const playbooks = readdirSync(join(docs, "playbooks")).filter((name) => name !== "README.md");

let stage: Stage | undefined;
afterEach(() => stage?.close());
afterAll(endAll);

const scene = stepsUnder(rotation, "### The scene");

async function play(steps: readonly Step[], page: string, before = scene): Promise<void> {
  stage = await Stage.open();
  await stage.play(before, "docs/rotation.md");
  await stage.play(steps, page);
}

describe("docs/rotation.md", () => {
  test.each([
    "### A planned rotation",
    "### A straggler at the deadline",
    "### A leaked key",
    "### A breach at a partner",
    "### A mass rotation",
  ])("%s", async (heading) => {
    const steps = stepsUnder(rotation, heading);
    expect(steps.filter(({ kind }) => kind === "text").length).toBeGreaterThan(1);
    await play(steps, "docs/rotation.md");
  });
});

describe("docs/playbooks", () => {
  test.each(playbooks)("%s", async (name) => {
    const page = readFileSync(join(docs, "playbooks", name), "utf8");
    const steps = stepsOf(page.split("\n"));
    expect(steps.filter(({ kind }) => kind === "sh").length).toBeGreaterThan(0);
    await play(steps, `docs/playbooks/${name}`);
  });
});

describe("the runner", () => {
  const setUp = scene.filter(({ text }) => !text.startsWith("wait"));
  const run = async (page: string) => {
    await stage?.close();
    await play(stepsOf(page.split("\n")), "page", setUp);
  };

  test("fails where an answer is another than is shown, where a command fails, and where it knows no handle", async () => {
    const list = "```sh\nkeyover api list\n```\n```text\n";
    await run(`${list}HANDLE NAME PREFIX ENVIRONMENTS SCOPES\napi_… market mkt …\n\`\`\``);
    await expect(run(`${list}HANDLE NAME PREFIX ENVIRONMENTS SCOPES\napi_… market xyz …\n\`\`\``)).rejects.toThrow(
      "page:4",
    );
    await expect(run(`${list}HANDLE NAME PREFIX ENVIRONMENTS SCOPES\n\`\`\``)).rejects.toThrow("nothing more");
    await expect(run("```sh\nkeyover api show nothing\n```")).rejects.toThrow("keyover api show nothing");
    await expect(run("```sh\nkeyover campaign show cam_…\n```")).rejects.toThrow("no cam_ was shown before");
    await expect(run("```sh\nrm acme.key\n```")).rejects.toThrow("only keyover is run");
    await expect(run('```http\nGET /v1/apis/market\n```\n```json\n{ "prefix": "xyz" }\n```')).rejects.toThrow("page:4");
    await expect(run("<!-- doc: wait 2h --><!-- doc: refused bot 1 -->")).rejects.toThrow("page:1");
  });
});
