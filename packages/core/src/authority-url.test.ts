import { expect, test } from "vitest";
import { authorityUrlProblem } from "./authority-url.ts";

test.each([
  "https://keys.example.com",
  "http://127.0.0.1:7700",
  "http://127.8.9.1",
  "http://localhost:1",
  "http://[::1]:7700",
  "http://a.localhost",
])("%s may carry secrets", (url) => expect(authorityUrlProblem(url)).toBeUndefined());

test.each([
  "http://keys.example.com",
  "http://10.0.0.1",
  "http://128.0.0.1",
  "http://[::2]",
  "http://127.0.0.1.example.com",
  "http://localhost.example.com",
])("%s carries secrets only where somebody says so by name", (url) => {
  expect(authorityUrlProblem(url)).toContain("in the clear");
  expect(authorityUrlProblem(url, true)).toBeUndefined();
});

test.each(["", "keys.example.com", "ftp://keys.example.com", "file:///etc/passwd"])("%j is no authority", (url) =>
  expect(authorityUrlProblem(url, true)).toBeDefined(),
);
