// Loaded first in processes that hold secrets: the tests' own, and bots'.
import { watchFetch } from "./canary.test-support.ts";

watchFetch();
