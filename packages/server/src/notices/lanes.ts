/**
 * How many messages are under way at once, and to where. Each target has a lane of its own, with few places, and one place only while it
 * does not answer; so targets that hang leave room for the others. All mail goes through one server, and so through one lane.
 */
import type { Channel } from "../store/notice-entities.ts";

export interface Lanes {
  /** Free places in all. */
  room(): number;
  isFull(lane: string): boolean;
  /** Takes a place; the answer gives it back, and says whether the target was reached. */
  enter(lane: string): (reached: boolean) => void;
}

const PLACES = 64;
const PLACES_PER_LANE = 8;

export function createLanes(): Lanes {
  const taken = new Map<string, number>();
  const silent = new Set<string>();
  let all = 0;
  return {
    room: () => PLACES - all,
    isFull: (lane) => (taken.get(lane) ?? 0) >= (silent.has(lane) ? 1 : PLACES_PER_LANE),
    enter(lane) {
      all += 1;
      taken.set(lane, (taken.get(lane) ?? 0) + 1);
      return (reached) => {
        all -= 1;
        const left = (taken.get(lane) ?? 1) - 1;
        if (left === 0) taken.delete(lane);
        else taken.set(lane, left);
        if (reached) silent.delete(lane);
        else silent.add(lane);
      };
    },
  };
}

/** There may be thousands of channels, and they are asked at each look. */
const known = new WeakMap<Channel, string>();

/** A channel that is gone needs no target. */
export function laneOf(channel: Channel | undefined): string {
  if (channel === undefined) return "none";
  const { kind, config } = channel;
  let lane = known.get(channel);
  if (lane === undefined) {
    lane = kind === "webhook" && config.url !== undefined ? `webhook ${new URL(config.url).host}` : kind;
    known.set(channel, lane);
  }
  return lane;
}
