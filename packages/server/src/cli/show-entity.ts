/** A key and a rotation as they are shown alone, with the names of what they belong to. */
import { type Call, show } from "./command-group.ts";
import { type KeyRow, keyText, type RotationRow, rotationText } from "./entity-tables.ts";
import { namesOf } from "./names.ts";

export async function keyView(call: Call<object>, key: KeyRow): Promise<string> {
  return keyText(key, call.now, await namesOf(call, { apis: [key.api], consumers: [key.consumer] }));
}

export async function rotationView(call: Call<object>, rotation: RotationRow): Promise<string> {
  return rotationText(rotation, call.now, await namesOf(call, { keys: [rotation.key] }));
}

export async function showKey(call: Call<object>, key: KeyRow): Promise<void> {
  const text = await keyView(call, key);
  show(call, key, () => text);
}

export async function showRotation(call: Call<object>, rotation: RotationRow): Promise<void> {
  const text = await rotationView(call, rotation);
  show(call, rotation, () => text);
}
