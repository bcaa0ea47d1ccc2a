/** Opens what place.ts names. */
import type { World } from "@keyover/core";
import { type Opened, openDataFolder } from "./data-folder.ts";
import { openDatabase } from "./database.ts";
import type { Place } from "./place.ts";

export function openPlace(place: Place, world: World): Promise<Opened> {
  return place.database === undefined
    ? openDataFolder(place.data, place.masterKeyPath, world)
    : openDatabase(place.database, place, world);
}
