/** The baseline of `start`: a server of node:http that answers 200 to everything. */
import { createServer } from "node:http";

process.on("disconnect", () => process.exit(0));
createServer((_request, response) => response.end("ok")).listen(Number(process.argv[2]), "127.0.0.1");
