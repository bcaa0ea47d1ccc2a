/** The few things that the holder does to files, as an interface: the tests hand in a disk that forgets what was not synced. */
import { constants } from "node:fs";
import { mkdir, open, readdir, realpath, rename, rmdir, stat, unlink } from "node:fs/promises";

export interface Disk {
  /** The text, or undefined if there is no such file. */
  read(path: string): Promise<string | undefined>;
  /** Changes whenever the file is replaced or written; undefined if there is none. Cheap. */
  stamp(path: string): Promise<string | undefined>;
  /** The path behind symbolic links; `path` itself if nothing is there. */
  resolve(path: string): Promise<string>;
  /** Names in a folder; none if there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** A new file of mode 0600 with the owner of `like`, on the platter when this returns. Fails if `path` exists. */
  create(path: string, text: string, like?: string): Promise<void>;
  /** Writes into a file that is there; false if it is not. */
  overwrite(path: string, text: string): Promise<boolean>;
  /** False if `from` is gone, or `to` is a folder with something in it. Otherwise atomic. */
  rename(from: string, to: string): Promise<boolean>;
  /** False if there was nothing. */
  remove(path: string): Promise<boolean>;
  makeFolder(path: string): Promise<void>;
  /** False if it was not there, or not empty. */
  removeFolder(path: string): Promise<boolean>;
  /** Makes creations, renames and removals in a folder last. */
  sync(folder: string): Promise<void>;
}

const SIZE_MAX = 65_536;

export const realDisk: Disk = {
  async read(path) {
    const file = await orGone(open(path, "r"));
    if (file === undefined) return undefined;
    try {
      const buffer = Buffer.alloc(SIZE_MAX + 1);
      let length = 0;
      while (length <= SIZE_MAX) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > SIZE_MAX) throw new RangeError(`${path} has more than ${SIZE_MAX} bytes`);
      return buffer.toString("utf8", 0, length);
    } finally {
      await file.close();
    }
  },

  async stamp(path) {
    const found = await orGone(stat(path, { bigint: true }));
    return found && `${found.dev}:${found.ino}:${found.mtimeNs}:${found.ctimeNs}:${found.size}`;
  },

  async resolve(path) {
    return (await orGone(realpath(path))) ?? path;
  },

  async list(folder) {
    return (await orGone(readdir(folder))) ?? [];
  },

  async create(path, text, like) {
    const owner = like === undefined ? undefined : await orGone(stat(like));
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      const own = await file.stat();
      if (owner !== undefined && (owner.uid !== own.uid || owner.gid !== own.gid)) {
        await file.chown(owner.uid, owner.gid);
      }
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await orGone(unlink(path));
      throw error;
    } finally {
      await file.close();
    }
  },

  async overwrite(path, text) {
    const file = await orGone(open(path, "r+"));
    if (file === undefined) return false;
    try {
      await file.write(text, 0);
      return true;
    } finally {
      await file.close();
    }
  },

  async rename(from, to) {
    try {
      await rename(from, to);
      return true;
    } catch (error) {
      if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(codeOf(error))) return false;
      // Windows renames onto no folder, not even an empty one. An empty one may go; if that fails it was not empty.
      if (!["EPERM", "EACCES"].includes(codeOf(error)) || !(await isFolder(to))) throw error;
      return (await this.removeFolder(to)) ? this.rename(from, to) : false;
    }
  },

  async remove(path) {
    return (await orGone(unlink(path).then(() => true))) ?? false;
  },

  async makeFolder(path) {
    await mkdir(path, { mode: 0o700 });
  },

  async removeFolder(path) {
    try {
      await rmdir(path);
      return true;
    } catch (error) {
      if (["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(error))) return false;
      throw error;
    }
  },

  async sync(folder) {
    try {
      const handle = await open(folder, "r");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      // Windows can't sync a folder, and some network file systems say so.
      if (!["EISDIR", "EPERM", "EINVAL", "ENOTSUP"].includes(codeOf(error))) throw error;
    }
  },
};

async function isFolder(path: string): Promise<boolean> {
  return (await orGone(stat(path)))?.isDirectory() ?? false;
}

async function orGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}
