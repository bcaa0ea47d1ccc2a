import { describe, expect, test } from "vitest";
import { cronProblem } from "./cron.ts";

describe("what is wrong with a cron expression", () => {
  test.each([
    ["", "has 0 of five fields: minute, hour, day of the month, month, day of the week; such as 30 9 * * mon-fri"],
    ["* * *", /^has 3 of five fields/],
    ["0 0 3 * * 1", /^has 6 of five fields/],
    ["@reboot", /^there is no @reboot; it takes @hourly, @daily, .*, or five fields/],
    ["60 * * * *", "the minute can't be 60: it takes 0 to 59, *, lists as 1,3, ranges as 1-5, steps as */2"],
    ["0 25 * * *", /^the hour can't be 25: it takes 0 to 23/],
    ["0 0 0 1 *", /^the day of the month can't be 0: it takes 1 to 31/],
    ["0 9 * 13 *", /^the month can't be 13: it takes 1 to 12, or jan to dec/],
    ["0 9 * * fry", /^the day of the week can't be fry: it takes 0 to 7/],
    ["0 9 * * mon#6", /^the day of the week can't be mon#6/],
    ["a b c d e", /^the minute can't be a:/],
    ["*/0 * * * *", "the minute can't be */0: a step of 0 goes nowhere"],
    ["0 17-9 * * *", "the hour can't be 17-9: 17-9 runs backwards"],
    ["1-2-3 * * * *", /^the minute can't be 1-2-3/],
  ])("%j", (expression, problem) => {
    const said = cronProblem(expression);
    expect(said).toMatch(problem);
    expect(said).not.toMatch(/CronPattern|configuration|illegal|Syntax|space separated/);
  });

  test.each(["30 9 * * mon-fri", "@daily", "0 0 L * *", "0 9 1,15 * *", "*/5 * * * *", "0 0 31 2 *"])(
    "%j: nothing",
    (expression) => {
      expect(cronProblem(expression)).toBeUndefined();
    },
  );
});
