/** The crash matrix over campaigns: a wave that is started, taken back, struck; wherever the authority dies, each key is done once. */
import { because, dieEverywhere, reached, second } from "./crash-matrix.test-suite.ts";
import { ask, type Step } from "./crash-matrix.test-support.ts";

const wanted = { name: "spring", select: { everything: true }, ...because };
const begin = ask("campaign", () => ({ path: "/v1/campaigns", body: wanted }));
const strike = (mode: string): Step =>
  ask("emergency", () => ({ path: "/v1/emergencies", body: { mode, select: { everything: true }, ...because } }));
const takeBack = ask("back", ({ asked }) => ({
  path: `/v1/campaigns/${asked.campaign?.answer.id}/rollback-wave`,
  body: because,
}));

dieEverywhere([
  {
    name: "a campaign",
    given: [],
    steps: [begin, second],
    commits: ["campaign.started", "campaign.selected", "rotation.planned .*campaign.advanced", "campaign.ended"],
  },
  {
    name: "a wave is taken back",
    given: [begin, second],
    steps: [takeBack, second],
    commits: ["campaign.roll-back", "rotation.rolled-back .*campaign.rolled-back"],
  },
  {
    name: "an emergency over all keys",
    given: [],
    steps: [strike("kill"), second],
    commits: ["campaign.started", "key.compromised .*campaign.advanced", "campaign.struck", "campaign.ended"],
  },
  {
    name: "an emergency in the midst of an overlap",
    given: reached.overlapping,
    steps: [strike("kill"), second],
    commits: ["rotation.retired .*campaign.advanced", "campaign.ended"],
  },
  {
    name: "an emergency that contains",
    given: [],
    steps: [strike("contain"), second],
    commits: ["key.compromised .*campaign.advanced"],
  },
]);
