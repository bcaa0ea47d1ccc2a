/** One of the four processes of processes.test.ts: node processes.test-bot.ts <file> <url> <instance> */
import { createKeyHolder } from "./client.ts";
import { realWorld } from "./world.ts";

const [file = "", url = "", instance = ""] = process.argv.slice(2);
const holder = createKeyHolder({
  source: { file },
  authority: { url, token: "kot_consumer_test" },
  instance,
  world: { ...realWorld(), log: () => {} },
});
await holder.ready;
let sent = 0;
let bad = 0;
async function send(): Promise<void> {
  const response = await holder.fetch(`${url}/quotes`, { method: "POST", body: "b" }).catch(() => undefined);
  await response?.text();
  sent++;
  if (response?.status !== 200) bad++;
  process.stdout.write(`${JSON.stringify({ version: holder.state().version, sent, bad })}\n`);
}
setInterval(() => void send(), 20);
