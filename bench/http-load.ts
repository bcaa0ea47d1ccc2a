/**
 * Requests over keep-alive connections, one at a time on each, as fast as the answers come. Plain sockets and requests made
 * beforehand: the client must cost less than the server that it measures.
 */
import { connect, type Socket } from "node:net";

/** Answers in each second, over `seconds`; every request carries another key. */
export async function loadOf(
  port: number,
  path: string,
  texts: readonly string[],
  connections: number,
  seconds: number,
  wanted = 200,
): Promise<number> {
  const requests = texts.map((text) =>
    Buffer.from(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAuthorization: Bearer ${text}\r\n\r\n`,
    ),
  );
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(port)));
  let answered = 0;
  let next = 0;
  let stop = false;
  const began = performance.now();
  const timer = setTimeout(() => {
    stop = true;
  }, seconds * 1_000);
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          const ask = () => void socket.write(requests[next++ % requests.length] as Buffer);
          const answers = answerReader((status) => {
            if (status !== wanted) return reject(new Error(`${path} answered ${status}`));
            if (stop) return resolve();
            answered++;
            ask();
          });
          socket.on("data", answers).once("error", reject);
          ask();
        }),
    ),
  );
  const tookMs = performance.now() - began;
  clearTimeout(timer);
  for (const socket of sockets) socket.destroy();
  return answered / (tookMs / 1_000);
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.setNoDelay(true);
    socket.once("error", reject);
  });
}

/** Calls `onAnswer` with the status of each whole answer. All answers of a route have one length, which the first one tells. */
function answerReader(onAnswer: (status: number) => void): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  let length = 0;
  return (chunk) => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = bytes;
    if (length === 0) length = lengthOf(bytes);
    if (length === 0 || bytes.length < length) return;
    held = bytes.subarray(length);
    onAnswer(Number(bytes.toString("latin1", 9, 12)));
  };
}

function lengthOf(bytes: Buffer): number {
  const headEnd = bytes.indexOf("\r\n\r\n");
  const body = /content-length: (\d+)/i.exec(bytes.toString("latin1", 0, headEnd));
  // A 204 has no body, and says no length.
  if (headEnd >= 0 && bytes.toString("latin1", 9, 12) === "204") return headEnd + 4;
  return headEnd < 0 || body === null ? 0 : headEnd + 4 + Number(body[1]);
}
