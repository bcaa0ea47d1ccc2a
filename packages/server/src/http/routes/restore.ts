/** /v1/apis/{api}/reconciliation: a restored api in the operator's hands (decision 014). */
import { z } from "zod";
import type { Reconciliation } from "../../restore/reconciliation.ts";
import type { Api } from "../../store/entities.ts";
import { access, actorOf } from "../auth.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import * as wire from "../restore-schemas.ts";
import type { App, Rooms } from "../rooms.ts";
import { pageOf, pageQuery } from "../schemas.ts";
import { call, page } from "./call.ts";

const params = z.object({ api: z.string().max(100) });

export function restoreRoutes(app: App, { inventory, reconciler }: Rooms): void {
  app.get(
    "/v1/apis/:api/reconciliation",
    call(
      { tag: "operations", id: "getReconciliation", summary: "How an api stands after a restore", access: access.read },
      { params },
      { 200: wire.reconciliation },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${request.params.api}`);
      return view(api, await reconciler.look(api));
    },
  );

  app.get(
    "/v1/apis/:api/reconciliation/keys",
    call(
      {
        tag: "operations",
        id: "listDifferences",
        summary: "What verifiers remember, key by key",
        access: access.read,
      },
      { params, querystring: z.strictObject(pageQuery) },
      { 200: pageOf(wire.difference) },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${request.params.api}`);
      const { cursor, limit } = request.query;
      const rows = await reconciler.differences(api, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ key }) => key,
        (row) => row,
      );
    },
  );

  app.post(
    "/v1/apis/:api/reconciliation",
    call(
      {
        tag: "operations",
        id: "reconcile",
        summary: "Choose between a restored database and what verifiers remember",
        description:
          "Put on record at once, and carried out by and by; the api is served when its state is `served`. What is known to be compromised or revoked stays refused either way, unless `revive` says otherwise.",
        access: access.operate,
      },
      { params, body: wire.choosing },
      { 202: wire.reconciliation },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${request.params.api}`);
      const { choose, keys, ...rest } = request.body;
      const outcome = await reconciler.choose(api, {
        ...rest,
        side: choose,
        keys: Object.fromEntries(keys.map((each) => [each.key, { side: each.choose, instance: each.instance }])),
        by: actorOf(request),
      });
      if (!outcome.ok) return sendRefusal(reply, outcome);
      return reply.code(202).send(view(api, await reconciler.look(api)));
    },
  );
}

function view(api: Api, { restoration, marks, unheard, ...rest }: Reconciliation) {
  const { restoredAt = null, asOf = null, after = null, reconciledAt = null, compared = {} } = restoration ?? {};
  return {
    ...rest,
    api: api.id,
    restoredAt,
    asOf,
    after,
    reconciledAt,
    compared,
    marks: marks.map(({ instance, environments, epoch, seq, complete, passedOver, at }) => ({
      instance,
      environments,
      epoch,
      seq,
      complete,
      passedOver,
      at,
    })),
    unheard: unheard.map(({ boot, instance, software, coveredTo }) => ({ boot, instance, software, coveredTo })),
  };
}
