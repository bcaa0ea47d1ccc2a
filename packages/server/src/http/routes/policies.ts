/** /v1/policies, /v1/attachments, /v1/keys/{key}/policy, /v1/policy-schema */
import { z } from "zod";
import { missingChannels } from "../../policies/channel-names.ts";
import { explainPolicy } from "../../policies/explain.ts";
import type { Applied, Attached } from "../../policies/policy-desk.ts";
import type { Attachment, Policy } from "../../store/policy-entities.ts";
import { access, owns } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { appliedView, attachmentView, policyVersionView, policyView } from "../views.ts";
import { as, call, page } from "./call.ts";

export function policyRoutes(app: App, rooms: Rooms): void {
  const { world, store, policies, desk, evidence, idleFacts } = rooms;

  app.put(
    "/v1/policies/:policy",
    call(
      {
        tag: "policies",
        id: "applyPolicy",
        summary: "Make a policy, or change it to say just this",
        description: "Rotations that run keep the values that they began with.",
        access: access.administer,
      },
      { params: shape.newPolicyParams, body: shape.applyPolicy },
      { 200: shape.appliedPolicy },
    ),
    async (request, reply) => {
      const command = commandOf<Applied>(request, world.clock, (applied) => ({
        status: 200,
        body: appliedView(applied),
      }));
      const outcome = await policies.apply({ name: request.params.policy, ...request.body }, command);
      return outcome.ok ? appliedView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/policies",
    call(
      { tag: "policies", id: "listPolicies", summary: "List policies", access: access.read },
      { querystring: z.strictObject({ ...shape.pageQuery, name: z.string().max(100).optional() }) },
      { 200: shape.pageOf(shape.policy) },
    ),
    async (request) => {
      const { cursor, limit, name } = request.query;
      const rows = await store.list("policy", { equals: { name } }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => policyView(value),
      );
    },
  );

  app.get(
    "/v1/policies/:policy",
    call(
      { tag: "policies", id: "getPolicy", summary: "Show a policy, by handle or name", access: access.read },
      { params: shape.policyParams },
      { 200: shape.policyWithAttachments },
    ),
    async (request, reply) => {
      const held = await policies.find(request.params.policy);
      if (held === undefined) return sendProblem(reply, "not_found", `there is no policy ${request.params.policy}`);
      return {
        ...policyView(held.value),
        attachments: (await policies.attachments(held.value.id)).map(attachmentView),
      };
    },
  );

  app.get(
    "/v1/policies/:policy/versions",
    call(
      {
        tag: "policies",
        id: "getPolicyHistory",
        summary: "What a policy said, the newest first; of a removed one too",
        access: access.read,
      },
      { params: shape.policyParams },
      { 200: z.object({ items: z.array(shape.policyVersion) }) },
    ),
    async (request, reply) => {
      const versions = await policies.history(request.params.policy);
      if (versions.length === 0) return sendProblem(reply, "not_found", `there is no policy ${request.params.policy}`);
      return { items: versions.map(policyVersionView) };
    },
  );

  app.delete(
    "/v1/policies/:policy",
    call(
      {
        tag: "policies",
        id: "removePolicy",
        summary: "Remove a policy that is attached to nothing",
        access: access.administer,
      },
      { params: shape.policyParams },
      { 200: shape.policy },
    ),
    async (request, reply) => {
      const command = commandOf<Policy>(request, world.clock, (policy) => ({ status: 200, body: policyView(policy) }));
      const outcome = await policies.remove(request.params.policy, command);
      return outcome.ok ? policyView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/policies/:policy/attachments",
    call(
      {
        tag: "policies",
        id: "attachPolicy",
        summary: "Let a policy hold for an api, an environment, a label of consumers, or a key",
        access: access.administer,
      },
      { params: shape.policyParams, body: shape.attach },
      { 201: shape.attachedPolicy },
    ),
    async (request, reply) => {
      const command = commandOf<Attached>(request, world.clock, (made) => ({
        status: 201,
        body: attachmentView(made),
      }));
      const outcome = await policies.attach(request.params.policy, request.body.target, command);
      return outcome.ok ? reply.code(201).send(attachmentView(outcome.value)) : sendRefusal(reply, outcome);
    },
  );

  app.delete(
    "/v1/attachments/:attachment",
    call(
      { tag: "policies", id: "detachPolicy", summary: "Let a policy no longer hold there", access: access.administer },
      { params: z.object({ attachment: shape.handle }) },
      { 200: shape.attachment },
    ),
    async (request, reply) => {
      const command = commandOf<Attachment>(request, world.clock, (gone) => ({
        status: 200,
        body: attachmentView(gone),
      }));
      const outcome = await policies.detach(request.params.attachment, command);
      return outcome.ok ? attachmentView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/keys/:key/policy",
    call(
      {
        tag: "policies",
        id: "explainPolicy",
        summary: "Which rule gives which value for a key, and what will happen when",
        access: access.readOwn,
      },
      { params: z.object({ key: shape.handle }) },
      { 200: shape.explainedPolicy },
    ),
    async (request, reply) => {
      const state = await desk.read(request.params.key);
      if (state === undefined || !owns(request, state.key.value.consumerId))
        return sendProblem(reply, "not_found", `there is no key ${request.params.key}`);
      const key = state.key.value;
      const policy = await desk.policies.of(state.api, key);
      return explainPolicy({
        key,
        policy,
        activatedAt: state.versions.find(({ value }) => value.number === key.currentVersion)?.value.activatedAt ?? null,
        rotation: state.rotation?.value,
        uses: await evidence.uses(key.id),
        idle: (await idleFacts.of([key])).get(key.id),
        nextStart: (...given) => desk.policies.nextStart(...given),
        missingChannels: await missingChannels(store, policy.channels),
        now: world.clock.now(),
      });
    },
  );

  app.get(
    "/v1/policy-schema",
    call(
      { tag: "policies", id: "getPolicySchema", summary: "The JSON Schema of a policy's file", access: access.public },
      {},
      {
        200: as(
          "application/schema+json",
          z.record(z.string(), z.unknown()),
          "For editors: what `keyover policy apply` reads.",
        ),
      },
    ),
    async (_request, reply) => reply.type("application/schema+json").send(shape.policyJsonSchema()),
  );
}
