/** Where a standalone verifier listens. */
import { access, chmod, constants, lstat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { UnsafeConfigurationError } from "./exit-codes.ts";

export type Listen =
  | { path: string; mode: number; host?: undefined; port?: undefined }
  | { path?: undefined; host: string; port: number };

/** A socket that a process left behind when it was killed is in the way of the next; one that somebody listens on is not ours to take. */
export async function prepareSocket(path: string): Promise<void> {
  await refuseFolder(path);
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new UnsafeConfigurationError(`${path} exists and is no socket; name another one with --listen`);
  if (await isListenedOn(path))
    throw new UnsafeConfigurationError(
      `${path} is in use by another process; stop that one, or choose another path with --listen`,
    );
  await unlink(path);
}

/** Of a folder that is missing `listen` says only that it lacks a right. */
async function refuseFolder(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new UnsafeConfigurationError(
      missing
        ? `there is no folder ${folder} for the socket; make it first, or name another path with --listen`
        : `this user can't make a socket in ${folder}; let it write there, or name another path with --listen`,
    );
  }
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

export interface ListenHow {
  /** Other threads of this process listen on the same port. */
  reusePort?: boolean;
}

export async function listenOn(server: Server, listen: Listen, { reusePort = false }: ListenHow = {}): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const listening = () => {
      server.off("error", reject);
      resolve();
    };
    if (listen.path === undefined) server.listen({ host: listen.host, port: listen.port, reusePort }, listening);
    else server.listen({ path: listen.path }, listening);
  });
  // The program's umask lets nobody else in; the gateway mostly runs as another user.
  if (listen.path !== undefined) await chmod(listen.path, listen.mode);
}

/** The real one; undefined of a Unix socket, or of no server. */
export function portOf(server: Server | undefined): number | undefined {
  const bound = server?.address();
  return typeof bound === "object" && bound !== null ? bound.port : undefined;
}

/** For people; the port is the real one where 0 was asked for. */
export function addressOf(server: Server, listen: Listen): string {
  if (listen.path !== undefined) return `unix:${listen.path}`;
  const port = portOf(server) ?? listen.port;
  return `http://${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${port}`;
}
