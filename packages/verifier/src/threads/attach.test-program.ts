/** A worker thread that decides by the keys of its process's verifier, when it is asked. */
import { parentPort, workerData } from "node:worker_threads";
import { attachVerifier, type VerifierHandle } from "../verifier.ts";

const verifier = attachVerifier(workerData as VerifierHandle);

export type Question =
  | { id: number; do: "verify" | "verifyNow"; text: string; ask?: object }
  | { id: number; do: "ready" | "status" | "close" }
  /** Does nothing else for so long. */
  | { id: number; do: "hang"; ms: number };

parentPort?.on("message", (question: Question) => {
  const { id } = question;
  answerOf(question).then(
    (answer) => parentPort?.postMessage({ id, answer }),
    (error: Error) => parentPort?.postMessage({ id, error: error.message }),
  );
});

async function answerOf(question: Question): Promise<unknown> {
  // As JSON: a verdict makes some of its members when they are asked for.
  if (question.do === "verify") return JSON.stringify(await verifier.verify(question.text, question.ask ?? {}));
  if (question.do === "verifyNow") return JSON.stringify(verifier.verifyNow(question.text, question.ask ?? {}) ?? null);
  if (question.do === "status") return JSON.stringify(verifier.status()[0]);
  if (question.do === "hang") return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, question.ms);
  await (question.do === "ready" ? verifier.ready : verifier.close());
  return null;
}
