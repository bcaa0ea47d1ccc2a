import { openMemoryStore } from "./sqlite.ts";
import { storeSuite } from "./store.test-suite.ts";

storeSuite("the store in memory", async () => openMemoryStore({ now: Date.now }));
