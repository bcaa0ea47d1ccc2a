// Made by `npm run openapi-types` from the server's OpenAPI document. Not written by hand.

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process runs */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Prometheus metrics */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The server can do its work */
        get: operations["readiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List apis */
        get: operations["listApis"];
        put?: never;
        /** Protect an api */
        post: operations["createApi"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show an api, by handle or name */
        get: operations["getApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Add environments and scopes, change policies */
        patch: operations["updateApi"];
        trace?: never;
    };
    "/v1/apis/{api}/acks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Every entry up to a number is applied */
        post: operations["acknowledge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/feed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Changes from a number on, as server-sent events */
        get: operations["followFeed"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/misses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A well-formed key that the replica lacks */
        post: operations["askMiss"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the plans of an api */
        get: operations["listPlans"];
        put?: never;
        /** Make a plan: limits that keys may have */
        post: operations["createPlan"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/plans/{plan}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a plan */
        get: operations["getPlan"];
        put?: never;
        post?: never;
        /** Remove a plan that no key has */
        delete: operations["removePlan"];
        options?: never;
        head?: never;
        /**
         * Change a plan's name or limits
         * @description In force at every verifier as soon as the feed has brought it. What was used of a limit counts on under its name.
         */
        patch: operations["updatePlan"];
        trace?: never;
    };
    "/v1/apis/{api}/reconciliation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How an api stands after a restore */
        get: operations["getReconciliation"];
        put?: never;
        /**
         * Choose between a restored database and what verifiers remember
         * @description Put on record at once, and carried out by and by; the api is served when its state is `served`. What is known to be compromised or revoked stays refused either way, unless `revive` says otherwise.
         */
        post: operations["reconcile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/reconciliation/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What verifiers remember, key by key */
        get: operations["listDifferences"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/remembered": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * What a restored database lacks
         * @description Records newer than `after` of the `reconciling` that a registration was answered with, in parts.
         */
        post: operations["tellRemembered"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/reports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What was seen, without gaps; renews the lease */
        post: operations["report"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Every key of an api
         * @description Lines of JSON (application/x-ndjson): a head with the feed's number, a record for each key, and an end with their count. With `keys=none`, for verifiers that hold some of the keys, no records.
         */
        get: operations["getSnapshot"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/verifiers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The verifiers of an api, and how far they are */
        get: operations["listVerifiers"];
        put?: never;
        /** Register one start of a verifier */
        post: operations["registerVerifier"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apis/{api}/verifiers/{boot}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Say that a verifier is gone for good
         * @description Nothing waits for it any more. If it is alive after all, it is refused and registers anew.
         */
        delete: operations["removeVerifier"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/attachments/{attachment}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Let a policy no longer hold there */
        delete: operations["detachPolicy"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who changed what, in order
         * @description Each entry's hash covers the one before; `keyover doctor` checks the chain.
         */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List campaigns, the newest first */
        get: operations["listCampaigns"];
        put?: never;
        /**
         * Rotate many keys in waves
         * @description With `dryRun` nothing is changed, and 200 answers what would be selected. Each key rotates under its own policy.
         */
        post: operations["startCampaign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a campaign and how far it is */
        get: operations["getCampaign"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/abort": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End it; rotations that run go on */
        post: operations["abortCampaign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/continue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Go on in spite of what holds it, or past the gate that it waits at */
        post: operations["continueCampaign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The keys of a campaign */
        get: operations["listCampaignItems"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Start no further key; rotations that run go on */
        post: operations["pauseCampaign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What has become of a campaign */
        get: operations["reportCampaign"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a paused campaign go on; one that is held is looked at anew */
        post: operations["resumeCampaign"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/campaigns/{campaign}/rollback-wave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take every rotation of a wave back; the campaign is held */
        post: operations["rollBackWave"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/changeover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Which version should I be on?
         * @description With a consumer's token: send the SHA-256 of the secret in use. With the key itself as the bearer: send an empty object.
         */
        post: operations["getChangeover"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/channels": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List channels */
        get: operations["listChannels"];
        put?: never;
        /**
         * Tell somebody
         * @description A webhook's signing secret is in this answer and in no other.
         */
        post: operations["createChannel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/channels/{channel}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a channel */
        get: operations["getChannel"];
        put?: never;
        post?: never;
        /**
         * Remove a channel; what still waits for it becomes dead
         * @description One that others escalate to, or that policies name, only with `force=true`.
         */
        delete: operations["removeChannel"];
        options?: never;
        head?: never;
        /**
         * Change a channel; enable it again, or disable it
         * @description One that others escalate to, or that policies name, is disabled or renamed only with `force`.
         */
        patch: operations["updateChannel"];
        trace?: never;
    };
    "/v1/channels/{channel}/end-old-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign with the newer secret alone from now on */
        post: operations["endOldChannelSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/channels/{channel}/rotate-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A new signing secret beside the old one
         * @description Each delivery is signed with both until the old one ends. The new one is in this answer and in no other.
         */
        post: operations["rotateChannelSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/channels/{channel}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send one message now, and say what came of it */
        post: operations["testChannel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/consumers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List consumers */
        get: operations["listConsumers"];
        put?: never;
        /** Register a consumer */
        post: operations["createConsumer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/consumers/{consumer}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a consumer */
        get: operations["getConsumer"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Change a consumer's name, labels, notes */
        patch: operations["updateConsumer"];
        trace?: never;
    };
    "/v1/custodians/{who}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What somebody could have seen, and what of it still works */
        get: operations["getCustodian"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/custodians/{who}/offboard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revoke somebody's tokens, and replace what they could have seen
         * @description The keys are replaced by a campaign. The token that asks is left, whoever it belongs to.
         */
        post: operations["offboard"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/emergencies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Many keys have leaked: refuse them now, or fence them, and change over
         * @description A campaign of one wave without gates. Every accepted version that was handed out is struck, a hundred keys in a commit; it ends when every verifier refuses them.
         */
        post: operations["startEmergency"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List keys */
        get: operations["listKeys"];
        put?: never;
        /**
         * Issue a key
         * @description The secret is in this answer and in no other. A repeated request with the same Idempotency-Key gets the same secret until it has been used.
         */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a key and its versions */
        get: operations["getKey"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Change a key's description, scopes, networks, policy, expiry */
        patch: operations["updateKey"];
        trace?: never;
    };
    "/v1/keys/{key}/emergency": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A version has leaked: refuse it now, or fence it, and change over
         * @description One commit. It overtakes whatever step a rotation is in; without one it starts one, whose successor the consumer's token can claim at once.
         */
        post: operations["emergency"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/policy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which rule gives which value for a key, and what will happen when */
        get: operations["explainPolicy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Accept a suspended key again */
        post: operations["restoreKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse a key for good */
        post: operations["revokeKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/rotations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Start a rotation
         * @description A consumer may rotate its own keys, under the key's policy as it stands.
         */
        post: operations["startRotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/suspend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse a key until it is restored */
        post: operations["suspendKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{key}/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who uses which version, from where, how much */
        get: operations["getKeyUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what was sent, waits, or is dead */
        get: operations["listNotices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notices/{notice}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a notice with its text */
        get: operations["getNotice"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notices/{notice}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Somebody looks after it: it goes on to no other channel */
        post: operations["acknowledgeNotice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/notices/{notice}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a dead or a sent notice again, under the same id */
        post: operations["resendNotice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/oauth/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * This key has leaked, or is not needed: refuse it now (RFC 7009)
         * @description Kills the version whose text this is, as an emergency does; a successor waits for the consumer. Without Authorization the text is proof enough. With it, a token: as Bearer, or as the password of Basic. 200 also for what is unknown, or refused already.
         */
        post: operations["revokePresentedKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/policies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List policies */
        get: operations["listPolicies"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/policies/{policy}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a policy, by handle or name */
        get: operations["getPolicy"];
        /**
         * Make a policy, or change it to say just this
         * @description Rotations that run keep the values that they began with.
         */
        put: operations["applyPolicy"];
        post?: never;
        /** Remove a policy that is attached to nothing */
        delete: operations["removePolicy"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/policies/{policy}/attachments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a policy hold for an api, an environment, a label of consumers, or a key */
        post: operations["attachPolicy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/policies/{policy}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a policy said, the newest first; of a removed one too */
        get: operations["getPolicyHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/policy-schema": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The JSON Schema of a policy's file */
        get: operations["getPolicySchema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List rotations */
        get: operations["listRotations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a rotation */
        get: operations["getRotation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/brownout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse the old version for a short time, from now on */
        post: operations["brownOut"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/brownout/end": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the brownout that runs, and those that are planned */
        post: operations["endBrownout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a rotation whose successor nobody has */
        post: operations["cancelRotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/claim": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take the successor
         * @description Answers the same secret each time until the successor has been used; then the server has forgotten it.
         */
        post: operations["claimSuccessor"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Say that the successor is held
         * @description Opens the overlap. The server still forgets the secret only once it has been used.
         */
        post: operations["confirmSuccessor"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/deadline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Extend or shorten the overlap */
        post: operations["moveDeadline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/evidence": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the next step waits for, in numbers */
        get: operations["getEvidence"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/extend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Move the deadline later, as far as the policy lets the consumer
         * @description By the consumer's token or the key itself: what can be gained is bounded by consumerMayExtendMs, and a leaked version gets nothing.
         */
        post: operations["extendOverlap"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/fence/lift": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let the old version do again what it could do before the policy's fence */
        post: operations["liftFence"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Hold a rotation where it is */
        post: operations["pauseRotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a paused rotation go on; its deadline moves on by the length of the pause */
        post: operations["resumeRotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/retire": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Retire the old version without waiting for the evidence */
        post: operations["retireOldVersion"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rotations/{rotation}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make the old version current again */
        post: operations["rollBack"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/self/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What is left of my limits?
         * @description With the key itself as the bearer. By all that verifiers have told: a second or so behind.
         */
        get: operations["getOwnLimits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/self/rotation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * When should I move?
         * @description With the key itself as the bearer. Name the process in Keyover-Instance: each draws a time of its own from the window, otherwise each address does.
         */
        get: operations["getOwnRotation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/self/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How much was I used?
         * @description With the key itself as the bearer: requests by version and time.
         */
        get: operations["getOwnUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List tokens */
        get: operations["listTokens"];
        put?: never;
        /**
         * Make a token
         * @description The secret is in this answer and in no other.
         */
        post: operations["createToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Say whose a token is */
        patch: operations["updateToken"];
        trace?: never;
    };
    "/v1/tokens/{token}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse a token for good */
        post: operations["revokeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decide on a presented key
         * @description For gateways and tests; a server of your own decides faster in its own process. The answer comes once the use is on record.
         */
        post: operations["verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Api: {
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            /** @description Of keys without a plan of their own. */
            defaultPlan: string | null;
            environments: string[];
            id: string;
            name: string;
            /** @description In force for its keys, defaults included. */
            policy: components["schemas"]["RotationPolicy"];
            prefix: string;
            scopes: string[];
            staleness: {
                leaseMs: number;
                /**
                 * @description A verifier past its lease refuses everything, or goes on with what it knows.
                 * @enum {string}
                 */
                onStale: "closed" | "static";
                /** @description For how long it goes on. */
                staticMs: number;
            };
        };
        AppliedPolicy: {
            changes: {
                after: unknown;
                before: unknown;
                member: string;
            }[];
            dryRun: boolean;
            /** @enum {string} */
            outcome: "created" | "changed" | "unchanged";
            policy: components["schemas"]["Policy"];
            /** @description What it is attached to; a key may be reached in several ways. */
            reach: {
                attachment: string;
                keys: number;
                target: {
                    api: string;
                    /** @constant */
                    kind: "api";
                } | {
                    api: string;
                    environment: string;
                    /** @constant */
                    kind: "environment";
                } | {
                    /**
                     * @description Only keys of this api.
                     * @default null
                     */
                    api: string | null;
                    /** @constant */
                    kind: "label";
                    name: string;
                    value: string;
                } | {
                    key: string;
                    /** @constant */
                    kind: "key";
                };
            }[];
            warnings: string[];
        };
        AttachedPolicy: {
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            id: string;
            policy: string;
            target: {
                api: string;
                /** @constant */
                kind: "api";
            } | {
                api: string;
                environment: string;
                /** @constant */
                kind: "environment";
            } | {
                /**
                 * @description Only keys of this api.
                 * @default null
                 */
                api: string | null;
                /** @constant */
                kind: "label";
                name: string;
                value: string;
            } | {
                key: string;
                /** @constant */
                kind: "key";
            };
            /** @description What is allowed, and yet worth a second look. */
            warnings: string[];
        };
        AuditEntry: {
            action: string;
            actor: string;
            /** @description Epoch milliseconds. */
            at: number;
            details: {
                [key: string]: unknown;
            };
            hash: string;
            seq: number;
            subjects: string[];
        };
        Campaign: {
            /** @enum {string} */
            action: "rotate" | "kill" | "contain";
            /** @description Epoch milliseconds. */
            createdAt: number;
            endedAt: number | null;
            fence: {
                networks?: string[];
                scopes?: string[];
            } | null;
            id: string;
            /** @description False once it has ended for more than 400 days: of its items only those that its report names are left. */
            itemsKept: boolean;
            /** @description By what has become of them so far. */
            keys: {
                failed: number;
                "rolled-back": number;
                skipped: number;
                started: number;
                waiting: number;
            };
            limits: {
                failedMax: number;
                refusedMax: number;
            };
            name: string;
            outcome: ("done" | "aborted") | null;
            pace: number | null;
            reason: string;
            select: components["schemas"]["KeySelection"];
            /** @description The selection is whole. */
            selected: boolean;
            startedBy: string;
            /** @enum {string} */
            state: "selecting" | "running" | "paused" | "held" | "ended";
            takingBack: {
                by: string;
                reason: string;
                wave: number;
            } | null;
            /** @description Under way, from 0. */
            wave: number;
            waveCount: number;
            /** @description Why it is paused, held, or was aborted. */
            why: {
                /** @description Epoch milliseconds. */
                at: number;
                by: string;
                reason: string;
            } | null;
        };
        CampaignItem: {
            /** @description Epoch milliseconds. */
            at: number;
            key: string;
            rotation: string | null;
            /** @enum {string} */
            state: "waiting" | "started" | "skipped" | "failed" | "rolled-back";
            wave: number;
            why: string | null;
        };
        CampaignPreview: {
            apis: {
                id: string;
                keys: number;
                name: string;
            }[];
            /** @description The first few, those with most keys first. */
            consumers: {
                id: string;
                keys: number;
                name: string;
            }[];
            consumersTotal: number;
            /** @constant */
            dryRun: true;
            environments: {
                keys: number;
                name: string;
            }[];
            expired: number;
            /** @description Of the keys; a campaign passes them over, an emergency does not. */
            inRotation: number;
            /** @description Match too, and are never selected. */
            revoked: number;
            samples: {
                api: string;
                consumer: string;
                environment: string;
                key: string;
                name: string;
                wave: number;
            }[];
            /** @description What `expect` takes. */
            selection: {
                keys: number;
            };
            suspended: number;
            /** @description Keys of percents are drawn anew for each campaign: as many, and others. */
            waves: {
                keys: number;
                name: string;
            }[];
        };
        CampaignReport: {
            /** @enum {string} */
            action: "rotate" | "kill" | "contain";
            /** @description Epoch milliseconds. */
            createdAt: number;
            endedAt: number | null;
            estimate: {
                because: string;
                /** @description At the earliest. */
                endsAt: number | null;
            };
            /** @description The first few. */
            failed: components["schemas"]["CampaignItem"][];
            fence: {
                networks?: string[];
                scopes?: string[];
            } | null;
            id: string;
            /** @description False once it has ended for more than 400 days: of its items only those that its report names are left. */
            itemsKept: boolean;
            /** @description By what has become of them so far. */
            keys: {
                failed: number;
                "rolled-back": number;
                skipped: number;
                started: number;
                waiting: number;
            };
            limits: {
                failedMax: number;
                refusedMax: number;
            };
            name: string;
            outcome: ("done" | "aborted") | null;
            pace: number | null;
            reason: string;
            /** @description Of an emergency, once every key is struck. */
            receipts: {
                api: string;
                /** @description Of them have applied it: they refuse what was struck. */
                applied: number;
                /** @description When all had. */
                at: number | null;
                behind: {
                    applied: number;
                    instance: string;
                }[];
                /** @description Every strike has this feed number or a lower one. */
                seq: number;
                /** @description May answer. */
                verifiers: number;
            }[];
            /** @description Requests with versions that it retired, by sources that had used them before. */
            refused: number;
            /** @description Whose keys see them, and how many: the first few, those with most first. */
            refusedBy: {
                consumer: string;
                keys: number;
            }[];
            /** @description As limits count it. */
            refusedWeight: number;
            select: components["schemas"]["KeySelection"];
            /** @description The selection is whole. */
            selected: boolean;
            /** @description The first few. */
            skipped: components["schemas"]["CampaignItem"][];
            startedBy: string;
            /** @enum {string} */
            state: "selecting" | "running" | "paused" | "held" | "ended";
            takingBack: {
                by: string;
                reason: string;
                wave: number;
            } | null;
            /** @description Up to its end, or to now. */
            tookMs: number;
            /** @description What the gate waits for. */
            waitsFor: string | null;
            /** @description Under way, from 0. */
            wave: number;
            waveCount: number;
            waves: {
                gate: {
                    claimed: number;
                    offered: number;
                    retired: number;
                    soakMs: number;
                    waitMs: number | null;
                };
                items: {
                    failed: number;
                    "rolled-back": number;
                    skipped: number;
                    started: number;
                    waiting: number;
                };
                name: string;
                of: {
                    keys: string[];
                } | {
                    percent: number;
                } | {
                    environment: string;
                } | {
                    consumerLabel: {
                        name: string;
                        value: string;
                    };
                } | {
                    /** @constant */
                    rest: true;
                };
                /** @description Those that the campaign began; `broken`: cancelled or rolled back. */
                rotations: {
                    broken: number;
                    claimed: number;
                    offered: number;
                    retired: number;
                    rotations: number;
                };
            }[];
            /** @description Why it is paused, held, or was aborted. */
            why: {
                /** @description Epoch milliseconds. */
                at: number;
                by: string;
                reason: string;
            } | null;
        };
        CampaignStanding: {
            /** @enum {string} */
            action: "rotate" | "kill" | "contain";
            /** @description Epoch milliseconds. */
            createdAt: number;
            endedAt: number | null;
            estimate: {
                because: string;
                /** @description At the earliest. */
                endsAt: number | null;
            };
            fence: {
                networks?: string[];
                scopes?: string[];
            } | null;
            id: string;
            /** @description False once it has ended for more than 400 days: of its items only those that its report names are left. */
            itemsKept: boolean;
            /** @description By what has become of them so far. */
            keys: {
                failed: number;
                "rolled-back": number;
                skipped: number;
                started: number;
                waiting: number;
            };
            limits: {
                failedMax: number;
                refusedMax: number;
            };
            name: string;
            outcome: ("done" | "aborted") | null;
            pace: number | null;
            reason: string;
            /** @description Of an emergency, once every key is struck. */
            receipts: {
                api: string;
                /** @description Of them have applied it: they refuse what was struck. */
                applied: number;
                /** @description When all had. */
                at: number | null;
                behind: {
                    applied: number;
                    instance: string;
                }[];
                /** @description Every strike has this feed number or a lower one. */
                seq: number;
                /** @description May answer. */
                verifiers: number;
            }[];
            select: components["schemas"]["KeySelection"];
            /** @description The selection is whole. */
            selected: boolean;
            startedBy: string;
            /** @enum {string} */
            state: "selecting" | "running" | "paused" | "held" | "ended";
            takingBack: {
                by: string;
                reason: string;
                wave: number;
            } | null;
            /** @description What the gate waits for. */
            waitsFor: string | null;
            /** @description Under way, from 0. */
            wave: number;
            waveCount: number;
            waves: {
                gate: {
                    claimed: number;
                    offered: number;
                    retired: number;
                    soakMs: number;
                    waitMs: number | null;
                };
                items: {
                    failed: number;
                    "rolled-back": number;
                    skipped: number;
                    started: number;
                    waiting: number;
                };
                name: string;
                of: {
                    keys: string[];
                } | {
                    percent: number;
                } | {
                    environment: string;
                } | {
                    consumerLabel: {
                        name: string;
                        value: string;
                    };
                } | {
                    /** @constant */
                    rest: true;
                };
                /** @description Those that the campaign began; `broken`: cancelled or rolled back. */
                rotations: {
                    broken: number;
                    claimed: number;
                    offered: number;
                    retired: number;
                    rotations: number;
                };
            }[];
            /** @description Why it is paused, held, or was aborted. */
            why: {
                /** @description Epoch milliseconds. */
                at: number;
                by: string;
                reason: string;
            } | null;
        };
        ChangedChannel: {
            chat?: string;
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            digestMs: number;
            disabledAt: number | null;
            disabledReason: string | null;
            escalate: {
                afterMs: number;
                channel: string;
            } | null;
            events: string[];
            id: string;
            /** @enum {string} */
            kind: "webhook" | "email" | "slack" | "telegram" | "pagerduty";
            name: string;
            quiet: {
                from: string;
                to: string;
                zone: string;
            } | null;
            /** @enum {string} */
            severity: "info" | "warning" | "urgent";
            /** @description A webhook's signing secrets in force, the newest first. Two: each delivery is signed with both. */
            signing: {
                /** @description Epoch milliseconds. */
                createdAt: number;
                retireAt: number | null;
                version: number;
            }[];
            to?: string[];
            url?: string;
            /** @description What leads nowhere from now on. */
            warnings: string[];
        };
        Changeover: {
            environment: string;
            key: string;
            /** @description Epoch milliseconds. */
            now: number;
            pollAfterMs: number;
            rotation: {
                claimable: boolean;
                endsAt: number | null;
                from: number;
                id: string;
                phase: string;
                suggested: {
                    /** @description Epoch milliseconds. */
                    from: number;
                    /** @description Epoch milliseconds. */
                    to: number;
                };
                to: number;
            } | null;
            target: number;
            version: number;
        };
        Channel: {
            chat?: string;
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            digestMs: number;
            disabledAt: number | null;
            disabledReason: string | null;
            escalate: {
                afterMs: number;
                channel: string;
            } | null;
            events: string[];
            id: string;
            /** @enum {string} */
            kind: "webhook" | "email" | "slack" | "telegram" | "pagerduty";
            name: string;
            quiet: {
                from: string;
                to: string;
                zone: string;
            } | null;
            /** @enum {string} */
            severity: "info" | "warning" | "urgent";
            /** @description A webhook's signing secrets in force, the newest first. Two: each delivery is signed with both. */
            signing: {
                /** @description Epoch milliseconds. */
                createdAt: number;
                retireAt: number | null;
                version: number;
            }[];
            to?: string[];
            url?: string;
        };
        ChannelTargetInput: {
            /** @constant */
            kind: "webhook";
            /** @description https://…; the DNS is asked and the addresses are judged each time it is used. */
            url: string;
        } | {
            /** @constant */
            kind: "email";
            to: string[];
        } | {
            /** @constant */
            kind: "slack";
            /** @description The incoming webhook's URL. Kept sealed, and never shown again. */
            url: string;
        } | {
            chat: string;
            /** @constant */
            kind: "telegram";
            /** @description The bot's token. Kept sealed, and never shown again. */
            token: string;
        } | {
            /** @description The integration key (Events API v2). Kept sealed, and never shown again. */
            key: string;
            /** @constant */
            kind: "pagerduty";
        };
        ChannelTest: {
            delivered: boolean;
            error: string | null;
            notice: string;
            /** @description Of the target's answer. */
            status: number | null;
            tookMs: number;
        };
        Claim: {
            endsAt: number | null;
            key: string;
            rotation: string;
            secret: string;
            version: number;
        };
        Consumer: {
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            id: string;
            labels: {
                [key: string]: string;
            };
            name: string;
            /** @description Of all its keys, besides their own. */
            networks: string[];
            notes: string;
        };
        CreatedChannel: {
            chat?: string;
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            digestMs: number;
            disabledAt: number | null;
            disabledReason: string | null;
            escalate: {
                afterMs: number;
                channel: string;
            } | null;
            events: string[];
            id: string;
            /** @enum {string} */
            kind: "webhook" | "email" | "slack" | "telegram" | "pagerduty";
            name: string;
            quiet: {
                from: string;
                to: string;
                zone: string;
            } | null;
            /** @description A webhook's signing secret (whsec_…), shown here only. */
            secret: string | null;
            /** @enum {string} */
            severity: "info" | "warning" | "urgent";
            /** @description A webhook's signing secrets in force, the newest first. Two: each delivery is signed with both. */
            signing: {
                /** @description Epoch milliseconds. */
                createdAt: number;
                retireAt: number | null;
                version: number;
            }[];
            to?: string[];
            url?: string;
        };
        CreatedKey: {
            api: string;
            consumer: string;
            /** @description The consumer's own list: both must allow. */
            consumerNetworks: string[];
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            /** @description It was in use when it expired, and is accepted until then. */
            graceUntil: number | null;
            id: string;
            /** @description It was announced as unused. */
            idle: {
                /** @description Epoch milliseconds. */
                announcedAt: number;
                revokeAt: number | null;
                /** @description Epoch milliseconds. */
                since: number;
                suspendAt: number | null;
                /** @description By the policy, because nobody used it; null: it is not, or a person did it. */
                suspendedAt: number | null;
            } | null;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            /**
             * @description `report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.
             * @enum {string}
             */
            networksMode: "enforce" | "report";
            notes: string;
            /** @description Of its own; null: it has its api's default, if there is one. */
            plan: string | null;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
            /** @description When it rotates by itself; null: not, or not known yet. */
            rotateAt: number | null;
            /** @description The rotation that has not ended. */
            rotation: string | null;
            scopes: string[];
            /** @description Shown here only. Null where the consumer made it, or in a repeated answer after it was used. */
            secret: string | null;
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            statusReason: string | null;
        };
        CreatedToken: {
            apis: string[];
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            environments: string[];
            expiresAt: number | null;
            id: string;
            name: string;
            owner: string | null;
            revokedAt: number | null;
            /** @enum {string} */
            role: "admin" | "operator" | "auditor" | "verifier" | "consumer";
            secret: string | null;
        };
        CustodianReach: {
            /** @description Of all secrets; on the first page alone, null on the others. */
            counts: {
                done: number;
                dormant: number;
                replacing: number;
                works: number;
            } | null;
            secrets: {
                items: components["schemas"]["ReachedSecret"][];
                next: string | null;
            };
            tokens: components["schemas"]["ReachedToken"][];
            /** @description On the first page alone. */
            warnings: string[];
            who: {
                consumers: {
                    id: string;
                    name: string;
                }[];
                /** @enum {string} */
                kind: "token" | "owner" | "consumer" | "label";
                text: string;
            };
        };
        Evidence: {
            /** @description The chance that retiring now would refuse a genuine request; null where nothing is to be retired. */
            forecast: {
                chance: number;
                how: string;
                movesPerDay: number;
                sources: {
                    chance: number;
                    gaps: number;
                    historyMs: number;
                    longerGaps: number;
                    moved: boolean;
                    shared: boolean;
                    silentMs: number;
                    source: components["schemas"]["Source"];
                }[];
            } | null;
            gates: {
                earliestAt: number | null;
                explanation: string;
                met: boolean;
                /** @enum {string} */
                name: "minimum-overlap" | "successor-used" | "old-version-quiet";
                /** @description Who could meet it; null: it is met. */
                waitsFor: ("time" | "consumer" | "verifiers" | "operator") | null;
            }[];
            /** @description The sources of the version that is to end, one by one. */
            moved: {
                explanation: string;
                moved: number;
                of: number;
                silent: number;
            };
            /** @description Epoch milliseconds. */
            now: number;
            /** @enum {string} */
            phase: "planned" | "propagating" | "offered" | "overlapping" | "retired" | "completed" | "cancelled" | "rolled-back";
            quiet: {
                countsFrom: number;
                holes: {
                    boot: string;
                    from: number;
                    instance: string;
                    to: number;
                }[];
                quiet: boolean;
                quietAt: number;
                sources: {
                    /** @description For how long it has been known. */
                    historyMs: number;
                    lastSeen: number;
                    longestGapMs: number;
                    moved: boolean;
                    /** @description It must be silent for this long. */
                    neededMs: number;
                    quiet: boolean;
                    quietAt: number;
                    source: components["schemas"]["Source"];
                    /** @description It was refused last, by a brownout or fence, and has not moved: it is waited for twice as long. */
                    turnedAway: boolean;
                    /** @description The silence that is usual for it. */
                    usual: {
                        lengthMs: number;
                        /** @description Silences that are remembered. */
                        of: number;
                        /** @description 1: its longest silence. 2: the second longest. */
                        rank: number;
                    };
                    /** @description For less than it must be silent. */
                    young: boolean;
                }[];
                version: number;
                /** @description Reports are whole up to here. */
                watermark: number;
                watermarkHeldBy: {
                    boot: string;
                    coveredTo: number;
                    instance: string;
                }[];
            };
            /** @description Refused uses of the old version since it retired; null before. */
            refused: {
                /** @description By sources that had used the version before. */
                known: number;
                sources: {
                    known: boolean;
                    last: number;
                    refused: number;
                    since: number;
                    source: components["schemas"]["Source"];
                }[];
                total: number;
            } | null;
            rotation: string;
            /** @description Requests of the last minute by version. */
            shares: {
                accepted: number;
                refused: number;
                share: number;
                version: number;
            }[];
            /** @description Of the last hour, in steps of five minutes; those without a request are left out. */
            sharesOverTime: {
                /** @description Epoch milliseconds. */
                start: number;
                versions: {
                    accepted: number;
                    refused: number;
                    share: number;
                    version: number;
                }[];
            }[];
            /** @description Verifiers that may answer and do not hold the newest record of this key. */
            waitingFor: {
                answersUntil: number;
                applied: number;
                boot: string;
                instance: string;
                needs: number;
            }[];
        };
        ExplainedPolicy: {
            calendar: {
                /** @description Epoch milliseconds. */
                at: number;
                text: string;
                what: string;
            }[];
            key: string;
            members: {
                member: string;
                /** @description The nearest first. */
                overrode: {
                    rule: components["schemas"]["PolicyRule"];
                    value: unknown;
                }[];
                rule: components["schemas"]["PolicyRule"];
                value: unknown;
            }[];
            /** @description Epoch milliseconds. */
            now: number;
            /** @description Why no rotation can begin under it. */
            problem: string | null;
            reasons: {
                because: string;
                /** @description Epoch milliseconds. */
                from?: number;
                text: string;
                /** @description Epoch milliseconds. */
                to: number;
            }[];
            /** @description When the key rotates by itself next; null: not, or it is in rotation. */
            rotateAt: number | null;
            warnings: string[];
        };
        Grant: {
            leaseMs: number;
            /** @description What all verifiers have used of the limits that the report speaks of. */
            limits?: {
                limit: string;
                owedMs?: number;
                quota?: {
                    granted: number;
                    own: number;
                    period: number;
                    used: number;
                };
                rate?: {
                    burst: number;
                    unitMs: number;
                };
                subject: string;
            }[];
            now: number;
            /** @enum {string} */
            onStale: "closed" | "static";
            staticMs: number;
            /** @description Of this api, that may answer requests. */
            verifiers?: number;
        };
        Key: {
            api: string;
            consumer: string;
            /** @description The consumer's own list: both must allow. */
            consumerNetworks: string[];
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            /** @description It was in use when it expired, and is accepted until then. */
            graceUntil: number | null;
            id: string;
            /** @description It was announced as unused. */
            idle: {
                /** @description Epoch milliseconds. */
                announcedAt: number;
                revokeAt: number | null;
                /** @description Epoch milliseconds. */
                since: number;
                suspendAt: number | null;
                /** @description By the policy, because nobody used it; null: it is not, or a person did it. */
                suspendedAt: number | null;
            } | null;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            /**
             * @description `report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.
             * @enum {string}
             */
            networksMode: "enforce" | "report";
            notes: string;
            /** @description Of its own; null: it has its api's default, if there is one. */
            plan: string | null;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
            /** @description When it rotates by itself; null: not, or not known yet. */
            rotateAt: number | null;
            /** @description The rotation that has not ended. */
            rotation: string | null;
            scopes: string[];
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            statusReason: string | null;
        };
        /** @description All that is said must hold. Revoked keys are never selected. */
        KeySelection: {
            /** @description Handles or names. */
            apis?: string[];
            /** @description Of the keys' consumers; all must hold. */
            consumerLabels?: {
                [key: string]: string;
            };
            /** @description Handles. */
            consumers?: string[];
            /** @description An accepted version was made before this time. An emergency strikes just those versions. */
            createdBefore?: number;
            /** @description Tokens: an accepted version was shown to one of them. An emergency strikes just those versions. */
            custodians?: string[];
            environments?: string[];
            /**
             * @description All keys; stands alone.
             * @constant
             */
            everything?: true;
            keyLabels?: {
                [key: string]: string;
            };
            keys?: string[];
        };
        /** @description All that is said must hold. Revoked keys are never selected. */
        KeySelectionInput: {
            /** @description Handles or names. */
            apis?: string[];
            /** @description Of the keys' consumers; all must hold. */
            consumerLabels?: {
                [key: string]: string;
            };
            /** @description Handles. */
            consumers?: string[];
            /** @description An accepted version was made before this time. An emergency strikes just those versions. */
            createdBefore?: number;
            /** @description Tokens: an accepted version was shown to one of them. An emergency strikes just those versions. */
            custodians?: string[];
            environments?: string[];
            /**
             * @description All keys; stands alone.
             * @constant
             */
            everything?: true;
            keyLabels?: {
                [key: string]: string;
            };
            keys?: string[];
        };
        KeyWithVersions: {
            api: string;
            consumer: string;
            /** @description The consumer's own list: both must allow. */
            consumerNetworks: string[];
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            /** @description It was in use when it expired, and is accepted until then. */
            graceUntil: number | null;
            id: string;
            /** @description It was announced as unused. */
            idle: {
                /** @description Epoch milliseconds. */
                announcedAt: number;
                revokeAt: number | null;
                /** @description Epoch milliseconds. */
                since: number;
                suspendAt: number | null;
                /** @description By the policy, because nobody used it; null: it is not, or a person did it. */
                suspendedAt: number | null;
            } | null;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            /**
             * @description `report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.
             * @enum {string}
             */
            networksMode: "enforce" | "report";
            notes: string;
            /** @description Of its own; null: it has its api's default, if there is one. */
            plan: string | null;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
            /** @description When it rotates by itself; null: not, or not known yet. */
            rotateAt: number | null;
            /** @description The rotation that has not ended. */
            rotation: string | null;
            scopes: string[];
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            statusReason: string | null;
            versions: components["schemas"]["Version"][];
        };
        Limit: components["schemas"]["RateLimit"] | components["schemas"]["QuotaLimit"];
        LimitInput: components["schemas"]["RateLimitInput"] | components["schemas"]["QuotaLimitInput"];
        LimitState: {
            limit: components["schemas"]["Limit"];
            /** @description Whole units that could be used now. */
            remaining: number;
            /** @description Until all of it is there again (rate), or the period ends (quota). */
            resetMs: number;
        };
        MissAnswer: {
            epoch?: string;
            now: number;
            /** @description Whose limits the key has. */
            plans?: {
                [key: string]: unknown;
            }[];
            record: {
                [key: string]: unknown;
            } | null;
            seq?: number;
        };
        Notice: {
            /**
             * @description The first of its events.
             * @enum {string}
             */
            about: "rotation.planned" | "rotation.offered" | "rotation.reminder" | "rotation.deadline" | "rotation.retired" | "rotation.rolled-back" | "rotation.stuck" | "rotation.completed" | "brownout.announced" | "brownout.begun" | "brownout.ended" | "fence.applied" | "fence.lifted" | "key.expiring" | "key.expired" | "key.idle" | "key.suspended" | "key.revoked" | "key.compromised" | "key.refused-uses" | "campaign.started" | "campaign.held" | "campaign.ended" | "verifier.lost" | "verifier.back";
            acknowledgedAt: number | null;
            acknowledgedBy: string | null;
            attempts: number;
            channel: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            /** @description When it is sent, or tried again. */
            dueAt: number | null;
            escalateAt: number | null;
            escalatedFrom: string[];
            /** @description How many events are in it. */
            events: number;
            /** @description Stays the same however often it is sent; the `webhook-id` of a webhook. */
            id: string;
            /** @enum {string} */
            kind: "webhook" | "email" | "slack" | "telegram" | "pagerduty";
            lastAttemptAt: number | null;
            /** @description A consumer's token sees it without what concerns the authority's network. */
            lastError: string | null;
            /** @description Of mail: to whom; each recipient of a channel has a notice of its own. Null: not mail, or not sent yet. */
            recipient: string | null;
            sentAt: number | null;
            /** @enum {string} */
            severity: "info" | "warning" | "urgent";
            /** @enum {string} */
            state: "waiting" | "sent" | "dead";
        };
        NoticeWithText: {
            /**
             * @description The first of its events.
             * @enum {string}
             */
            about: "rotation.planned" | "rotation.offered" | "rotation.reminder" | "rotation.deadline" | "rotation.retired" | "rotation.rolled-back" | "rotation.stuck" | "rotation.completed" | "brownout.announced" | "brownout.begun" | "brownout.ended" | "fence.applied" | "fence.lifted" | "key.expiring" | "key.expired" | "key.idle" | "key.suspended" | "key.revoked" | "key.compromised" | "key.refused-uses" | "campaign.started" | "campaign.held" | "campaign.ended" | "verifier.lost" | "verifier.back";
            acknowledgedAt: number | null;
            acknowledgedBy: string | null;
            attempts: number;
            channel: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            /** @description When it is sent, or tried again. */
            dueAt: number | null;
            escalateAt: number | null;
            escalatedFrom: string[];
            /** @description How many events are in it. */
            events: number;
            /** @description Stays the same however often it is sent; the `webhook-id` of a webhook. */
            id: string;
            /** @enum {string} */
            kind: "webhook" | "email" | "slack" | "telegram" | "pagerduty";
            lastAttemptAt: number | null;
            /** @description A consumer's token sees it without what concerns the authority's network. */
            lastError: string | null;
            needsReaction: boolean;
            /** @description Of mail: to whom; each recipient of a channel has a notice of its own. Null: not mail, or not sent yet. */
            recipient: string | null;
            sentAt: number | null;
            /** @enum {string} */
            severity: "info" | "warning" | "urgent";
            /** @enum {string} */
            state: "waiting" | "sent" | "dead";
            subject: string;
            text: string;
        };
        OauthError: {
            error: string;
            error_description: string;
        };
        Offboarded: {
            /** @description What replaces the keys; null: there was nothing to replace. */
            campaign: string | null;
            keys: number;
            /** @description Tokens that still work. */
            left: {
                token: string;
                why: string;
            }[];
            /** @enum {string} */
            mode: "rotate" | "kill" | "contain";
            /** @description Tokens that are refused from now on. */
            revoked: string[];
            who: string;
        };
        OwnRotation: {
            /** @description The one that runs, or is next: then the presented version is refused for a while. */
            brownout: {
                /** @description Epoch milliseconds. */
                from: number;
                /** @description Epoch milliseconds. */
                until: number;
            } | null;
            /** @description By this key itself. */
            claimable: boolean;
            /** @description The deadline of the overlap. */
            endsAt: number | null;
            key: string;
            /** @description A time in the window that is this caller's own: the same each time while the window stays the same. */
            moveAt: number | null;
            /** @description Epoch milliseconds. */
            now: number;
            phase: string | null;
            /** @description That runs; null: none does. */
            rotation: string | null;
            /** @description A successor is on offer, and can be taken by whoever may. */
            successorWaits: boolean;
            /** @description The one to be on. */
            target: number;
            /** @description The one that was presented. */
            version: number;
            /** @description When it is best to move. Past: now. Null: nothing is to be done, or not yet. */
            window: {
                /** @description Epoch milliseconds. */
                end: number;
                /** @description Epoch milliseconds. */
                start: number;
            } | null;
        };
        Plan: {
            api: string;
            /** @description Epoch milliseconds. */
            changedAt: number;
            changedBy: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            id: string;
            /** @description Keys of the api that have no plan of their own have it. */
            isDefault: boolean;
            /** @description That have it as their own and are not revoked; 10000 means as many or more. */
            keys: number;
            limits: components["schemas"]["Limit"][];
            name: string;
        };
        Policy: {
            /** @description Epoch milliseconds. */
            changedAt: number;
            changedBy: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            /** @description Null where it would be made. */
            id: string | null;
            name: string;
            spec: components["schemas"]["PolicySpec"];
            version: number;
        };
        PolicyAttachment: {
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            id: string;
            policy: string;
            target: {
                api: string;
                /** @constant */
                kind: "api";
            } | {
                api: string;
                environment: string;
                /** @constant */
                kind: "environment";
            } | {
                /**
                 * @description Only keys of this api.
                 * @default null
                 */
                api: string | null;
                /** @constant */
                kind: "label";
                name: string;
                value: string;
            } | {
                key: string;
                /** @constant */
                kind: "key";
            };
        };
        PolicyRule: {
            attachment?: string;
            /** @enum {string} */
            kind: "default" | "api" | "key" | "start" | "policy";
            name?: string;
            policy?: string;
            target?: {
                api: string;
                /** @constant */
                kind: "api";
            } | {
                api: string;
                environment: string;
                /** @constant */
                kind: "environment";
            } | {
                /**
                 * @description Only keys of this api.
                 * @default null
                 */
                api: string | null;
                /** @constant */
                kind: "label";
                name: string;
                value: string;
            } | {
                key: string;
                /** @constant */
                kind: "key";
            };
            text: string;
            version?: number;
        };
        PolicySpec: {
            /** @description A retirement that hurts is taken back by itself. Null: people are told, and decide. */
            automaticRollback?: {
                /**
                 * @description Not again for the same key within this time.
                 * @default 2592000000
                 */
                coolDownMs: number;
                /** @description So many refused uses of the retired version, */
                refusals: number;
                /**
                 * @description by so many sources that had used it before, bring it back.
                 * @default 1
                 */
                sources: number;
            } | null;
            /** @description With onDeadline: brownout. Short refusals that rehearse the retirement. */
            brownout?: {
                /**
                 * @description What comes after the last.
                 * @default hold
                 * @enum {string}
                 */
                after: "hold" | "retire";
                /**
                 * @description The first begins no sooner than this after it was announced.
                 * @default 86400000
                 */
                announceMs: number;
                /**
                 * @description They begin at this time of day, by the wall clock of the zone, on one free day after the other.
                 * @default 12:00
                 */
                at: string;
                /**
                 * @description More refusals than this, of sources that have not used the successor, end the plan. Null: none do.
                 * @default 100
                 */
                errorBudget: number | null;
                /**
                 * @description One brownout for each.
                 * @default [
                 *       60000,
                 *       60000,
                 *       60000,
                 *       300000
                 *     ]
                 */
                lengthsMs: number[];
                /**
                 * @default UTC
                 * @example America/New_York
                 * @example Europe/Berlin
                 * @example UTC
                 */
                zone: string;
            };
            /** @description Names of channels by which notices about its keys go out, beside those that choose these events themselves. */
            channels?: string[];
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description How much later the consumer itself may move the deadline, in sum. */
            consumerMayExtendMs?: number;
            expiry?: {
                /** @description A key's expiry is announced so long before. */
                announceMs?: number[];
                /** @description A key that is still in use works on for this long. */
                graceMs?: number;
            };
            /** @description What the old version may still do while its successor waits. */
            fence?: {
                /**
                 * @description So long after it the fence goes up.
                 * @default 0
                 */
                afterMs: number;
                /**
                 * @description The offer, or the successor's first use.
                 * @default offered
                 * @enum {string}
                 */
                from: "offered" | "used";
                /**
                 * @description Only those that it was accepted from before the rotation.
                 * @constant
                 */
                networks?: "seen";
                /** @description Of these grants those that the version has. */
                scopes?: string[];
                /** @description Not the scopes that match one of these; * stands for any text: *:withdraw. */
                without?: string[];
            } | null;
            /** @description And for its own usual gap times this. */
            gapMargin?: number;
            idle?: {
                /** @description And announced again so long before it is suspended. */
                announceMs?: number[];
                /** @description So long after the suspension, or the last try since, it is revoked. Null: it stays suspended. */
                revokeAfterMs?: number | null;
                /** @description So long after the first announcement it is suspended. Null: it is only announced. */
                suspendAfterMs?: number | null;
                /** @description A key that is not used for so long is announced as idle. Null: none is. */
                unusedMs?: number | null;
            };
            /** @enum {string} */
            onDeadline?: "hold" | "retire" | "brownout";
            /** @description The deadline may be moved up to this long after the offer. */
            overlapMaxMs?: number;
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description The consumer is reminded this long before the deadline. */
            remindMs?: number[];
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
            schedule?: {
                blackouts?: ({
                    /** @description On which it begins; left out: every day. */
                    days?: ("sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat")[];
                    from: string;
                    name?: string;
                    /** @description Not later than `from`: on the next day. 24:00 is the end of the day. */
                    to: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                } | {
                    from: string;
                    name?: string;
                    /** @description The last day, whole. */
                    to: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                })[];
                cron?: {
                    /** @description Five fields: minute, hour, day of the month, month, day of the week. */
                    expression: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                } | null;
                /** @description So long after the last activation. */
                everyMs?: number | null;
                holidays?: {
                    dates: string[];
                    name?: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                }[];
                /** @description Keys move apart by up to this. Null: a tenth of the period, a week at most; none for cron. */
                jitterMs?: number | null;
                /** @description The maximum age wins over blackouts. */
                maxAgeFirst?: boolean;
                /** @description A version that gets so old is being replaced; jitter comes off it. Null: no maximum. */
                maxAgeMs?: number | null;
            };
            /** @description A source known for less than this must be silent for this long. */
            youngQuietMs?: number;
        };
        PolicySpecInput: {
            /** @description A retirement that hurts is taken back by itself. Null: people are told, and decide. */
            automaticRollback?: {
                /**
                 * @description Not again for the same key within this time.
                 * @default 2592000000
                 */
                coolDownMs: number;
                /** @description So many refused uses of the retired version, */
                refusals: number;
                /**
                 * @description by so many sources that had used it before, bring it back.
                 * @default 1
                 */
                sources: number;
            } | null;
            /** @description With onDeadline: brownout. Short refusals that rehearse the retirement. */
            brownout?: {
                /**
                 * @description What comes after the last.
                 * @default hold
                 * @enum {string}
                 */
                after: "hold" | "retire";
                /**
                 * @description The first begins no sooner than this after it was announced.
                 * @default 86400000
                 */
                announceMs: number;
                /**
                 * @description They begin at this time of day, by the wall clock of the zone, on one free day after the other.
                 * @default 12:00
                 */
                at: string;
                /**
                 * @description More refusals than this, of sources that have not used the successor, end the plan. Null: none do.
                 * @default 100
                 */
                errorBudget: number | null;
                /**
                 * @description One brownout for each.
                 * @default [
                 *       60000,
                 *       60000,
                 *       60000,
                 *       300000
                 *     ]
                 */
                lengthsMs: number[];
                /**
                 * @default UTC
                 * @example America/New_York
                 * @example Europe/Berlin
                 * @example UTC
                 */
                zone: string;
            };
            /** @description Names of channels by which notices about its keys go out, beside those that choose these events themselves. */
            channels?: string[];
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description How much later the consumer itself may move the deadline, in sum. */
            consumerMayExtendMs?: number;
            expiry?: {
                /** @description A key's expiry is announced so long before. */
                announceMs?: number[];
                /** @description A key that is still in use works on for this long. */
                graceMs?: number;
            };
            /** @description What the old version may still do while its successor waits. */
            fence?: {
                /**
                 * @description So long after it the fence goes up.
                 * @default 0
                 */
                afterMs: number;
                /**
                 * @description The offer, or the successor's first use.
                 * @default offered
                 * @enum {string}
                 */
                from: "offered" | "used";
                /**
                 * @description Only those that it was accepted from before the rotation.
                 * @constant
                 */
                networks?: "seen";
                /** @description Of these grants those that the version has. */
                scopes?: string[];
                /** @description Not the scopes that match one of these; * stands for any text: *:withdraw. */
                without?: string[];
            } | null;
            /** @description And for its own usual gap times this. */
            gapMargin?: number;
            idle?: {
                /** @description And announced again so long before it is suspended. */
                announceMs?: number[];
                /** @description So long after the suspension, or the last try since, it is revoked. Null: it stays suspended. */
                revokeAfterMs?: number | null;
                /** @description So long after the first announcement it is suspended. Null: it is only announced. */
                suspendAfterMs?: number | null;
                /** @description A key that is not used for so long is announced as idle. Null: none is. */
                unusedMs?: number | null;
            };
            /** @enum {string} */
            onDeadline?: "hold" | "retire" | "brownout";
            /** @description The deadline may be moved up to this long after the offer. */
            overlapMaxMs?: number;
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description The consumer is reminded this long before the deadline. */
            remindMs?: number[];
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
            schedule?: {
                blackouts?: ({
                    /** @description On which it begins; left out: every day. */
                    days?: ("sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat")[];
                    from: string;
                    name?: string;
                    /** @description Not later than `from`: on the next day. 24:00 is the end of the day. */
                    to: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                } | {
                    from: string;
                    name?: string;
                    /** @description The last day, whole. */
                    to: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                })[];
                cron?: {
                    /** @description Five fields: minute, hour, day of the month, month, day of the week. */
                    expression: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                } | null;
                /** @description So long after the last activation. */
                everyMs?: number | null;
                holidays?: {
                    dates: string[];
                    name?: string;
                    /**
                     * @example America/New_York
                     * @example Europe/Berlin
                     * @example UTC
                     */
                    zone: string;
                }[];
                /** @description Keys move apart by up to this. Null: a tenth of the period, a week at most; none for cron. */
                jitterMs?: number | null;
                /** @description The maximum age wins over blackouts. */
                maxAgeFirst?: boolean;
                /** @description A version that gets so old is being replaced; jitter comes off it. Null: no maximum. */
                maxAgeMs?: number | null;
            };
            /** @description A source known for less than this must be silent for this long. */
            youngQuietMs?: number;
        };
        PolicyVersion: {
            /** @description Epoch milliseconds. */
            changedAt: number;
            changedBy: string;
            name: string;
            policy: string;
            spec: components["schemas"]["PolicySpec"];
            version: number;
        };
        PolicyWithAttachments: {
            attachments: components["schemas"]["PolicyAttachment"][];
            /** @description Epoch milliseconds. */
            changedAt: number;
            changedBy: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            /** @description Null where it would be made. */
            id: string | null;
            name: string;
            spec: components["schemas"]["PolicySpec"];
            version: number;
        };
        PresentedTokenInput: {
            /** @description The key, as it is presented to the API. */
            token: string;
            /** @description Passed over. */
            token_type_hint?: string;
        };
        /** @description RFC 9457 problem details. Served as application/problem+json. */
        Problem: {
            /** @description Stable; listed in docs/errors.md. */
            code: string;
            detail?: string;
            status: number;
            title: string;
            type: string;
        } & {
            [key: string]: unknown;
        };
        QuotaLimit: {
            /** @constant */
            kind: "quota";
            name: string;
            /**
             * @description Whose uses are counted together: of one key, or of all keys of the consumer in this api.
             * @default key
             * @enum {string}
             */
            per: "key" | "consumer";
            /** @enum {string} */
            period: "day" | "month";
            /** @description In each period. */
            units: number;
            /**
             * @description IANA name: a period begins at its midnight.
             * @default UTC
             */
            zone: string;
        };
        QuotaLimitInput: {
            /** @constant */
            kind: "quota";
            name: string;
            /**
             * @description Whose uses are counted together: of one key, or of all keys of the consumer in this api.
             * @default key
             * @enum {string}
             */
            per: "key" | "consumer";
            /** @enum {string} */
            period: "day" | "month";
            /** @description In each period. */
            units: number;
            /**
             * @description IANA name: a period begins at its midnight.
             * @default UTC
             */
            zone: string;
        };
        RateLimit: {
            /** @description Units that may be used at once after a pause: 1 to 1000000. */
            burst: number;
            /** @constant */
            kind: "rate";
            name: string;
            /**
             * @description Whose uses are counted together: of one key, or of all keys of the consumer in this api.
             * @default key
             * @enum {string}
             */
            per: "key" | "consumer";
            /** @description In each `windowMs`. */
            units: number;
            /** @description 1000 (a second) to 86400000 (a day). */
            windowMs: number;
        };
        RateLimitInput: {
            /** @description Units that may be used at once after a pause: 1 to 1000000. */
            burst: number;
            /** @constant */
            kind: "rate";
            name: string;
            /**
             * @description Whose uses are counted together: of one key, or of all keys of the consumer in this api.
             * @default key
             * @enum {string}
             */
            per: "key" | "consumer";
            /** @description In each `windowMs`. */
            units: number;
            /** @description 1000 (a second) to 86400000 (a day). */
            windowMs: number;
        };
        ReachedSecret: {
            api: string;
            /** @description Epoch milliseconds. */
            at: number;
            consumer: string;
            environment: string;
            key: string;
            name: string;
            /** @description The rotation that its key is in. */
            rotation: string | null;
            /** @enum {string} */
            state: "works" | "dormant" | "replacing" | "done";
            /** @description It was shown to this token, which was made with theirs; null: to them. */
            through: string | null;
            version: number;
            ways: ("created" | "claimed" | "handed-in" | "held")[];
        };
        ReachedToken: {
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            id: string;
            /** @description It is not theirs, but was made with this token of theirs, and shown to them. */
            madeWith: string | null;
            name: string;
            owner: string | null;
            role: string;
            works: boolean;
        };
        Reconciliation: {
            /** @description The feed's head in the backup; what has a higher number is compared. */
            after: number | null;
            api: string;
            /** @description The last that the backup knows of. */
            asOf: number | null;
            /** @description By environment: how far the former feed was compared. */
            compared: {
                [key: string]: number;
            };
            epoch: string;
            /** @description Keys that verifiers have told of, whether or not they differ. */
            keys: number;
            marks: {
                /** @description Epoch milliseconds. */
                at: number;
                /** @description It has told all that it knows. */
                complete: boolean;
                environments: string[];
                epoch: string;
                instance: string;
                /** @description Records that it may not speak of, or that were ill-formed. */
                passedOver: number;
                seq: number;
            }[];
            reconciledAt: number | null;
            restoredAt: number | null;
            /** @description Names this state; send it with the choice. */
            seen: string;
            /**
             * @description held: not served. late: served, while a verifier that came later knows more than was compared.
             * @enum {string}
             */
            state: "never restored" | "held" | "being carried out" | "served" | "late";
            /** @description Verifiers that ran when the backup was made, and have not been heard of since the restore. */
            unheard: {
                boot: string;
                coveredTo: number;
                instance: string;
                software: string;
            }[];
        };
        RestoreDifference: {
            /** @description Null: the key was made after the backup. */
            backup: components["schemas"]["RestoreSide"] | null;
            /** @description Since the backup, in words; empty if both sides are alike. */
            changes: string[];
            consumer: string;
            /** @description What others remember under the same number. Then say whose word counts. */
            contradicts: {
                instances: string[];
                verifiers: components["schemas"]["RestoreSide"];
            }[];
            environment: string;
            /** @description Who remembers it so; the first few. */
            instances: string[];
            key: string;
            verifiers: components["schemas"]["RestoreSide"];
        };
        RestoreSide: {
            current: number;
            rotation: {
                from: number;
                id: string;
                /** @enum {string} */
                phase: "planned" | "propagating" | "offered" | "overlapping" | "retired" | "completed" | "cancelled" | "rolled-back";
                to: number;
            } | null;
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            versions: {
                compromised: boolean;
                fenced: boolean;
                number: number;
                /** @enum {string} */
                state: "pending" | "active" | "retiring" | "retired" | "destroyed";
            }[];
        };
        Rotation: {
            api: string;
            /** @description Short refusals of the old version, past and to come. */
            brownouts: {
                /** @description Of the policy's plan. */
                announcedAt: number | null;
                slots: {
                    begunAt: number | null;
                    /** @description `policy`, or who wanted it at once. */
                    by: string;
                    /** @description With begunAt null: it was missed. */
                    endedAt: number | null;
                    /** @description Epoch milliseconds. */
                    from: number;
                    /** @description Epoch milliseconds. */
                    until: number;
                }[];
                stopped: {
                    /** @description Epoch milliseconds. */
                    at: number;
                    by: string;
                    reason: string;
                } | null;
            } | null;
            /** @description That it is part of. */
            campaign: {
                id: string;
                wave: number;
            } | null;
            claimedAt: number | null;
            claimEndedAt: number | null;
            confirmedAt: number | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            endedAt: number | null;
            /** @description By the consumer itself, in sum. */
            extendedMs: number;
            /** @description The old version was limited by the policy's rule. */
            fenced: {
                /** @description Epoch milliseconds. */
                at: number;
                fence: {
                    networks?: string[];
                    scopes?: string[];
                };
                lifted: {
                    /** @description Epoch milliseconds. */
                    at: number;
                    by: string;
                    reason: string;
                } | null;
            } | null;
            forced: {
                /** @description Epoch milliseconds. */
                at: number;
                by: string;
                reason: string;
            } | null;
            from: number;
            fromCompromised: boolean;
            fromRefusedAt: number | null;
            id: string;
            key: string;
            offeredAt: number | null;
            /** @enum {string} */
            origin: "authority" | "consumer";
            overlapEndsAt: number | null;
            overlappingAt: number | null;
            paused: {
                /** @description Epoch milliseconds. */
                at: number;
                by: string;
                reason: string;
            } | null;
            /** @description Since the offer, in sum; the deadline lies so much later. */
            pausedMs: number;
            /** @enum {string} */
            phase: "planned" | "propagating" | "offered" | "overlapping" | "retired" | "completed" | "cancelled" | "rolled-back";
            policy: components["schemas"]["RotationPolicy"];
            /** @description Where the policy's values came from when it began; what is not named is the default. */
            policySources: {
                /** @enum {string} */
                kind: "default" | "api" | "key" | "start" | "policy";
                members: string[];
                name?: string;
                policy?: string;
                version?: number;
            }[];
            reason: string;
            retiredAt: number | null;
            rollbackReason: string | null;
            rolledBackAt: number | null;
            scopes: string[] | null;
            startedBy: string;
            /** @description Epoch milliseconds. */
            startsAt: number;
            to: number;
            usedAt: number | null;
        };
        RotationPolicy: {
            /** @description A retirement that hurts is taken back by itself. Null: people are told, and decide. */
            automaticRollback: {
                /**
                 * @description Not again for the same key within this time.
                 * @default 2592000000
                 */
                coolDownMs: number;
                /** @description So many refused uses of the retired version, */
                refusals: number;
                /**
                 * @description by so many sources that had used it before, bring it back.
                 * @default 1
                 */
                sources: number;
            } | null;
            /** @description With onDeadline: brownout. Short refusals that rehearse the retirement. */
            brownout: {
                /**
                 * @description What comes after the last.
                 * @default hold
                 * @enum {string}
                 */
                after: "hold" | "retire";
                /**
                 * @description The first begins no sooner than this after it was announced.
                 * @default 86400000
                 */
                announceMs: number;
                /**
                 * @description They begin at this time of day, by the wall clock of the zone, on one free day after the other.
                 * @default 12:00
                 */
                at: string;
                /**
                 * @description More refusals than this, of sources that have not used the successor, end the plan. Null: none do.
                 * @default 100
                 */
                errorBudget: number | null;
                /**
                 * @description One brownout for each.
                 * @default [
                 *       60000,
                 *       60000,
                 *       60000,
                 *       300000
                 *     ]
                 */
                lengthsMs: number[];
                /**
                 * @default UTC
                 * @example America/New_York
                 * @example Europe/Berlin
                 * @example UTC
                 */
                zone: string;
            };
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs: number;
            /** @description How much later the consumer itself may move the deadline, in sum. */
            consumerMayExtendMs: number;
            /** @description What the old version may still do while its successor waits. */
            fence: {
                /**
                 * @description So long after it the fence goes up.
                 * @default 0
                 */
                afterMs: number;
                /**
                 * @description The offer, or the successor's first use.
                 * @default offered
                 * @enum {string}
                 */
                from: "offered" | "used";
                /**
                 * @description Only those that it was accepted from before the rotation.
                 * @constant
                 */
                networks?: "seen";
                /** @description Of these grants those that the version has. */
                scopes?: string[];
                /** @description Not the scopes that match one of these; * stands for any text: *:withdraw. */
                without?: string[];
            } | null;
            /** @description And for its own usual gap times this. */
            gapMargin: number;
            /** @enum {string} */
            onDeadline: "hold" | "retire" | "brownout";
            /** @description The deadline may be moved up to this long after the offer. */
            overlapMaxMs: number;
            /** @description Both versions are accepted at least this long. */
            overlapMinMs: number;
            /** @description From the offer to the deadline. */
            overlapMs: number;
            /** @description Every source silent at least this long. */
            quietMs: number;
            /** @description The consumer is reminded this long before the deadline. */
            remindMs: number[];
            /** @description How long a retirement can be taken back. */
            rollbackMs: number;
            /** @description A source known for less than this must be silent for this long. */
            youngQuietMs: number;
        };
        RotationPolicyPatch: {
            /** @description A retirement that hurts is taken back by itself. Null: people are told, and decide. */
            automaticRollback?: {
                /**
                 * @description Not again for the same key within this time.
                 * @default 2592000000
                 */
                coolDownMs: number;
                /** @description So many refused uses of the retired version, */
                refusals: number;
                /**
                 * @description by so many sources that had used it before, bring it back.
                 * @default 1
                 */
                sources: number;
            } | null;
            /** @description With onDeadline: brownout. Short refusals that rehearse the retirement. */
            brownout?: {
                /**
                 * @description What comes after the last.
                 * @default hold
                 * @enum {string}
                 */
                after: "hold" | "retire";
                /**
                 * @description The first begins no sooner than this after it was announced.
                 * @default 86400000
                 */
                announceMs: number;
                /**
                 * @description They begin at this time of day, by the wall clock of the zone, on one free day after the other.
                 * @default 12:00
                 */
                at: string;
                /**
                 * @description More refusals than this, of sources that have not used the successor, end the plan. Null: none do.
                 * @default 100
                 */
                errorBudget: number | null;
                /**
                 * @description One brownout for each.
                 * @default [
                 *       60000,
                 *       60000,
                 *       60000,
                 *       300000
                 *     ]
                 */
                lengthsMs: number[];
                /**
                 * @default UTC
                 * @example America/New_York
                 * @example Europe/Berlin
                 * @example UTC
                 */
                zone: string;
            };
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description How much later the consumer itself may move the deadline, in sum. */
            consumerMayExtendMs?: number;
            /** @description What the old version may still do while its successor waits. */
            fence?: {
                /**
                 * @description So long after it the fence goes up.
                 * @default 0
                 */
                afterMs: number;
                /**
                 * @description The offer, or the successor's first use.
                 * @default offered
                 * @enum {string}
                 */
                from: "offered" | "used";
                /**
                 * @description Only those that it was accepted from before the rotation.
                 * @constant
                 */
                networks?: "seen";
                /** @description Of these grants those that the version has. */
                scopes?: string[];
                /** @description Not the scopes that match one of these; * stands for any text: *:withdraw. */
                without?: string[];
            } | null;
            /** @description And for its own usual gap times this. */
            gapMargin?: number;
            /** @enum {string} */
            onDeadline?: "hold" | "retire" | "brownout";
            /** @description The deadline may be moved up to this long after the offer. */
            overlapMaxMs?: number;
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description The consumer is reminded this long before the deadline. */
            remindMs?: number[];
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
            /** @description A source known for less than this must be silent for this long. */
            youngQuietMs?: number;
        };
        RotationPolicyPatchInput: {
            /** @description A retirement that hurts is taken back by itself. Null: people are told, and decide. */
            automaticRollback?: {
                /**
                 * @description Not again for the same key within this time.
                 * @default 2592000000
                 */
                coolDownMs: number;
                /** @description So many refused uses of the retired version, */
                refusals: number;
                /**
                 * @description by so many sources that had used it before, bring it back.
                 * @default 1
                 */
                sources: number;
            } | null;
            /** @description With onDeadline: brownout. Short refusals that rehearse the retirement. */
            brownout?: {
                /**
                 * @description What comes after the last.
                 * @default hold
                 * @enum {string}
                 */
                after: "hold" | "retire";
                /**
                 * @description The first begins no sooner than this after it was announced.
                 * @default 86400000
                 */
                announceMs: number;
                /**
                 * @description They begin at this time of day, by the wall clock of the zone, on one free day after the other.
                 * @default 12:00
                 */
                at: string;
                /**
                 * @description More refusals than this, of sources that have not used the successor, end the plan. Null: none do.
                 * @default 100
                 */
                errorBudget: number | null;
                /**
                 * @description One brownout for each.
                 * @default [
                 *       60000,
                 *       60000,
                 *       60000,
                 *       300000
                 *     ]
                 */
                lengthsMs: number[];
                /**
                 * @default UTC
                 * @example America/New_York
                 * @example Europe/Berlin
                 * @example UTC
                 */
                zone: string;
            };
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description How much later the consumer itself may move the deadline, in sum. */
            consumerMayExtendMs?: number;
            /** @description What the old version may still do while its successor waits. */
            fence?: {
                /**
                 * @description So long after it the fence goes up.
                 * @default 0
                 */
                afterMs: number;
                /**
                 * @description The offer, or the successor's first use.
                 * @default offered
                 * @enum {string}
                 */
                from: "offered" | "used";
                /**
                 * @description Only those that it was accepted from before the rotation.
                 * @constant
                 */
                networks?: "seen";
                /** @description Of these grants those that the version has. */
                scopes?: string[];
                /** @description Not the scopes that match one of these; * stands for any text: *:withdraw. */
                without?: string[];
            } | null;
            /** @description And for its own usual gap times this. */
            gapMargin?: number;
            /** @enum {string} */
            onDeadline?: "hold" | "retire" | "brownout";
            /** @description The deadline may be moved up to this long after the offer. */
            overlapMaxMs?: number;
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description The consumer is reminded this long before the deadline. */
            remindMs?: number[];
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
            /** @description A source known for less than this must be silent for this long. */
            youngQuietMs?: number;
        };
        SelfLimits: {
            key: string;
            limits: {
                limit: components["schemas"]["Limit"];
                /** @description Whole units that could be used now. */
                remaining: number;
                /** @description Until all of it is there again (rate), or the period ends (quota). */
                resetMs: number;
                /** @description Of a quota: in this period, by all that verifiers have told. */
                used: number;
            }[];
            /** @description Epoch milliseconds. */
            now: number;
            /** @description The name of the key's plan. */
            plan: string | null;
        };
        SelfUsage: {
            buckets: {
                /** @description By the version's own standing; some of them were refused for a limit. */
                accepted: number;
                /** @description Of `accepted`: so many were refused for a limit of the plan. */
                limited: number;
                refused: number;
                /** @description Epoch milliseconds. */
                start: number;
                version: number;
            }[];
            key: string;
        };
        Source: {
            client: string;
            instance: string;
            network: string;
        };
        StalenessPolicyPatchInput: {
            leaseMs?: number;
            /**
             * @description A verifier past its lease refuses everything, or goes on with what it knows.
             * @enum {string}
             */
            onStale?: "closed" | "static";
            /** @description For how long it goes on. */
            staticMs?: number;
        };
        Token: {
            apis: string[];
            consumer: string | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            environments: string[];
            expiresAt: number | null;
            id: string;
            name: string;
            owner: string | null;
            revokedAt: number | null;
            /** @enum {string} */
            role: "admin" | "operator" | "auditor" | "verifier" | "consumer";
        };
        Usage: {
            buckets: {
                /** @description By the version's own standing; some of them were refused for a limit. */
                accepted: number;
                /** @description Of `accepted`: so many were refused for a limit of the plan. */
                limited: number;
                refused: number;
                /** @description Epoch milliseconds. */
                start: number;
                version: number;
            }[];
            key: string;
            sources: {
                /** @description Epoch milliseconds. */
                lastSeen: number;
                longestGapMs: number;
                /** @description How much of the source's network the lists of the key and its consumer let through, enforced or not. Null: the source stands for several. */
                networksAllow: ("all" | "some" | "none") | null;
                source: components["schemas"]["Source"];
                versions: {
                    accepted: number;
                    /** @description Epoch milliseconds. */
                    first: number;
                    /** @description Epoch milliseconds. */
                    last: number;
                    refused: number;
                    version: number;
                }[];
            }[];
        };
        Verdict: {
            code: string;
            consumer?: string;
            environment?: string;
            /** @description The key's own end, where it has one. */
            expiresAt?: number;
            key?: string;
            /** @description What is left of the key's limits, this request charged. */
            limits?: components["schemas"]["LimitState"][];
            /** @description Epoch milliseconds. */
            retiredAt?: number;
            /** @description With `brownout`: it ends in so long. With `rate_limited`, `quota_exceeded`: there is room in so long. */
            retryAfterMs?: number;
            rotation?: {
                /** @description The one that runs, or is next. */
                brownout?: {
                    /** @description Epoch milliseconds. */
                    from: number;
                    /** @description Epoch milliseconds. */
                    until: number;
                };
                /** @description Epoch milliseconds. */
                endsAt?: number;
                from: number;
                id: string;
                phase: string;
                /** @description Epoch milliseconds. */
                since?: number;
                to: number;
            };
            scopes?: string[];
            valid: boolean;
            version?: number;
            /** @description Accepted, and refused for this if the key's networks were enforced (its `networksMode` is `report`). */
            wouldRefuse?: string;
        };
        VerifierBoot: {
            answersUntil: number;
            /** @description Feed entries applied, as far as told since the authority started. */
            applied: number;
            boot: string;
            coveredTo: number;
            instance: string;
            /** @description Epoch milliseconds. */
            registeredAt: number;
            software: string;
            /** @enum {string} */
            state: "live" | "lost" | "closed" | "replaced" | "removed";
        };
        Version: {
            activatedAt: number | null;
            /** @description It is refused until then, in a brownout. */
            brownoutUntil: number | null;
            compromised: boolean;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            destroyedAt: number | null;
            fence: {
                networks?: string[];
                scopes?: string[];
            } | null;
            id: string;
            /** @description By the reports so far. */
            lastUsedAt: number | null;
            number: number;
            /** @enum {string} */
            origin: "authority" | "consumer";
            retiredAt: number | null;
            retiringAt: number | null;
            scopes: string[] | null;
            /** @enum {string} */
            state: "pending" | "active" | "retiring" | "retired" | "destroyed";
        };
        Welcome: {
            api: {
                id: string;
                name: string;
                prefix: string;
            };
            asks?: boolean;
            environments: string[];
            epoch: string;
            leaseMs: number;
            /** @description What all verifiers have used of the limits that the report speaks of. */
            limits?: {
                limit: string;
                owedMs?: number;
                quota?: {
                    granted: number;
                    own: number;
                    period: number;
                    used: number;
                };
                rate?: {
                    burst: number;
                    unitMs: number;
                };
                subject: string;
            }[];
            now: number;
            /** @enum {string} */
            onStale: "closed" | "static";
            reportEveryMs: number;
            staticMs: number;
            /** @description Of this api, that may answer requests. */
            verifiers?: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "ok";
                    };
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Text exposition format 0.0.4. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description OpenAPI 3.1. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    readiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description Apis that are not served, because their database was restored. */
                        reconciling?: number;
                        /** @enum {string} */
                        status: "ready";
                    };
                };
            };
        };
    };
    listApis: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                name?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Api"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createApi: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @default [
                     *       "live",
                     *       "test"
                     *     ]
                     */
                    environments?: string[];
                    name: string;
                    policy?: components["schemas"]["RotationPolicyPatchInput"];
                    /** @description Of its keys: 2 to 10 lowercase letters and digits. */
                    prefix: string;
                    scopes: string[];
                    staleness?: components["schemas"]["StalenessPolicyPatchInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Api"];
                };
            };
        };
    };
    getApi: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Api"];
                };
            };
        };
    };
    updateApi: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    addEnvironments?: string[];
                    addScopes?: string[];
                    /** @description Of keys without a plan of their own: handle or name; null: none. */
                    defaultPlan?: string | null;
                    policy?: components["schemas"]["RotationPolicyPatchInput"];
                    staleness?: components["schemas"]["StalenessPolicyPatchInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Api"];
                };
            };
        };
    };
    acknowledge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    applied: number;
                    boot: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    followFeed: {
        parameters: {
            query: {
                after: number;
                boot?: string;
            };
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Events `entry` (a FeedEntry) and `beat`, until the connection ends. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
        };
    };
    askMiss: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    sha256: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MissAnswer"];
                };
            };
        };
    };
    listPlans: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Plan"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createPlan: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description A request is let through if all of them have room; then it is charged to all. None: no limits. */
                    limits: components["schemas"]["LimitInput"][];
                    name: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    getPlan: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
                /** @description Handle, or name in this api. */
                plan: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    removePlan: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                api: string;
                /** @description Handle, or name in this api. */
                plan: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    updatePlan: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                api: string;
                /** @description Handle, or name in this api. */
                plan: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description A request is let through if all of them have room; then it is charged to all. None: no limits. */
                    limits?: components["schemas"]["LimitInput"][];
                    name?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    getReconciliation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Reconciliation"];
                };
            };
        };
    };
    reconcile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description verifiers: what was in force. backup: what the restored database says.
                     * @enum {string}
                     */
                    choose: "verifiers" | "backup";
                    /**
                     * @description Keys for which something else is chosen.
                     * @default []
                     */
                    keys?: {
                        /**
                         * @description verifiers: what was in force. backup: what the restored database says.
                         * @enum {string}
                         */
                        choose: "verifiers" | "backup";
                        /** @description Where verifiers contradict each other: whose word counts. */
                        instance?: string;
                        key: string;
                    }[];
                    /** @description For the audit log: why. */
                    reason: string;
                    /**
                     * @description With backup: also accept again what verifiers know to be compromised or revoked.
                     * @default false
                     */
                    revive?: boolean;
                    /** @description Refuses the choice if verifiers have told more since. */
                    seen?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Reconciliation"];
                };
            };
        };
    };
    listDifferences: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["RestoreDifference"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    tellRemembered: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    epoch: string;
                    followed?: number;
                    instance: string;
                    last: boolean;
                    n: number;
                    /** @description As the feed brought them. */
                    records: {
                        [key: string]: unknown;
                    }[];
                    seq: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        records: number;
                    };
                };
            };
        };
    };
    report: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    applied: number;
                    boot: string;
                    final?: boolean;
                    from: number;
                    n: number;
                    sightings: {
                        accepted: number;
                        first: number;
                        key: string;
                        last: number;
                        limited?: number;
                        longestGapMs: number;
                        refused: number;
                        source: {
                            client: string;
                            instance: string;
                            network: string;
                        };
                        version: number;
                    }[];
                    spent?: {
                        holds?: number;
                        keeps?: number;
                        largest?: number;
                        limit: string;
                        period?: number;
                        rate?: {
                            burst: number;
                            unitMs: number;
                        };
                        refused: number;
                        since?: number;
                        subject: string;
                        units: number;
                        wants?: number;
                    }[];
                    to: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    getSnapshot: {
        parameters: {
            query?: {
                keys?: "all" | "none";
            };
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The snapshot, complete if its last line is the end. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
        };
    };
    listVerifiers: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        head: number;
                        items: components["schemas"]["VerifierBoot"][];
                        watermark: number;
                    };
                };
            };
        };
    };
    registerVerifier: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    boot: string;
                    holds?: {
                        epoch: string;
                        followed?: number;
                        seq: number;
                    };
                    instance: string;
                    replaces?: string;
                    software: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Welcome"];
                };
            };
        };
    };
    removeVerifier: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api: string;
                boot: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    detachPolicy: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                attachment: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyAttachment"];
                };
            };
        };
    };
    listAudit: {
        parameters: {
            query?: {
                /** @description The number of the last entry seen. */
                after?: number;
                limit?: number;
                /** @description Only entries about this handle. */
                subject?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["AuditEntry"][];
                        next: number | null;
                    };
                };
            };
        };
    };
    listCampaigns: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                state?: "selecting" | "running" | "paused" | "held" | "ended";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Campaign"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    startCampaign: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @default rotate
                     * @enum {string}
                     */
                    action?: "rotate" | "kill" | "contain";
                    /**
                     * @description Change nothing; count what would be selected.
                     * @default false
                     */
                    dryRun?: boolean;
                    /** @description Refused if more keys are selected than this: the number that a dry run has shown. */
                    expect?: {
                        keys: number;
                    };
                    /** @description With contain. */
                    fence?: {
                        networks?: string[];
                        scopes?: string[];
                    };
                    /** @description Of each wave that says nothing else. */
                    gate?: {
                        /** @description Claimed, used or confirmed by the consumer. Default 0. */
                        claimed?: number;
                        /** @description Share of its rotations whose successor is offered. Default 1. */
                        offered?: number;
                        /** @description Whose old version has retired. Default 0. */
                        retired?: number;
                        /** @description And then so long. Default 0. */
                        soakMs?: number;
                        /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                        waitMs?: number | null;
                    };
                    limits?: {
                        /** @description Keys that failed or were taken back; more hold the campaign. Default 10. */
                        failedMax?: number;
                        /** @description Consumers that are refused with retired versions that they had used. One counts once with its first key, and once more at 2, 4, 8 … keys. Default 0. */
                        refusedMax?: number;
                    };
                    name: string;
                    /**
                     * @description Keys started in a second at most.
                     * @default null
                     */
                    pace?: number | null;
                    /** @description For the audit log: why. */
                    reason: string;
                    select: components["schemas"]["KeySelectionInput"];
                    /**
                     * @description What no wave takes comes in a last one.
                     * @default []
                     */
                    waves?: ({
                        gate?: {
                            /** @description Claimed, used or confirmed by the consumer. Default 0. */
                            claimed?: number;
                            /** @description Share of its rotations whose successor is offered. Default 1. */
                            offered?: number;
                            /** @description Whose old version has retired. Default 0. */
                            retired?: number;
                            /** @description And then so long. Default 0. */
                            soakMs?: number;
                            /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                            waitMs?: number | null;
                        };
                        /** @description Canaries. */
                        keys: string[];
                    } | {
                        gate?: {
                            /** @description Claimed, used or confirmed by the consumer. Default 0. */
                            claimed?: number;
                            /** @description Share of its rotations whose successor is offered. Default 1. */
                            offered?: number;
                            /** @description Whose old version has retired. Default 0. */
                            retired?: number;
                            /** @description And then so long. Default 0. */
                            soakMs?: number;
                            /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                            waitMs?: number | null;
                        };
                        /** @description Of all selected keys, with those of the waves before, rounded; one key at least. */
                        percent: number;
                    } | {
                        environment: string;
                        gate?: {
                            /** @description Claimed, used or confirmed by the consumer. Default 0. */
                            claimed?: number;
                            /** @description Share of its rotations whose successor is offered. Default 1. */
                            offered?: number;
                            /** @description Whose old version has retired. Default 0. */
                            retired?: number;
                            /** @description And then so long. Default 0. */
                            soakMs?: number;
                            /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                            waitMs?: number | null;
                        };
                    } | {
                        consumerLabel: {
                            name: string;
                            value: string;
                        };
                        gate?: {
                            /** @description Claimed, used or confirmed by the consumer. Default 0. */
                            claimed?: number;
                            /** @description Share of its rotations whose successor is offered. Default 1. */
                            offered?: number;
                            /** @description Whose old version has retired. Default 0. */
                            retired?: number;
                            /** @description And then so long. Default 0. */
                            soakMs?: number;
                            /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                            waitMs?: number | null;
                        };
                    } | {
                        gate?: {
                            /** @description Claimed, used or confirmed by the consumer. Default 0. */
                            claimed?: number;
                            /** @description Share of its rotations whose successor is offered. Default 1. */
                            offered?: number;
                            /** @description Whose old version has retired. Default 0. */
                            retired?: number;
                            /** @description And then so long. Default 0. */
                            soakMs?: number;
                            /** @description Held if it has not come to this so long after its last start. Default null: it waits. */
                            waitMs?: number | null;
                        };
                        /** @enum {boolean} */
                        rest: true;
                    })[];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CampaignPreview"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    getCampaign: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CampaignStanding"];
                };
            };
        };
    };
    abortCampaign: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    continueCampaign: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    listCampaignItems: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                state?: "waiting" | "started" | "skipped" | "failed" | "rolled-back";
                wave?: number;
            };
            header?: never;
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["CampaignItem"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    pauseCampaign: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    reportCampaign: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CampaignReport"];
                };
            };
        };
    };
    resumeCampaign: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    rollBackWave: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                campaign: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                    /** @description Otherwise the one under way. */
                    wave?: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    getChangeover: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description SHA-256 (base64url, 43 characters) of a secret that the consumer made itself. It should have 112 bits of entropy or more. */
                    sha256?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Changeover"];
                };
            };
        };
    };
    listChannels: {
        parameters: {
            query?: {
                consumer?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                name?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Channel"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createChannel: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description Whose; it gets what concerns that consumer. Null: the operators'.
                     * @default null
                     */
                    consumer?: string | null;
                    /** @description Otherwise 5 minutes for email, 1 for slack and telegram, 0 for programs. */
                    digestMs?: number;
                    /**
                     * @description Where an event that needs a reaction goes when nobody has acknowledged it for so long.
                     * @default null
                     */
                    escalate?: {
                        afterMs: number;
                        channel: string;
                    } | null;
                    /**
                     * @description Names of events, `*` standing for any part: `rotation.*`. None: only what policies and other channels send here.
                     * @default [
                     *       "*"
                     *     ]
                     */
                    events?: string[];
                    name: string;
                    /**
                     * @description Only urgent notices come in these hours; the others come together at their end.
                     * @default null
                     */
                    quiet?: {
                        from: string;
                        to: string;
                        /** @description IANA time zone, such as Europe/Berlin. */
                        zone: string;
                    } | null;
                    /**
                     * @description Nothing below this.
                     * @default info
                     * @enum {string}
                     */
                    severity?: "info" | "warning" | "urgent";
                    target: components["schemas"]["ChannelTargetInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedChannel"];
                };
            };
        };
    };
    getChannel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Channel"];
                };
            };
        };
    };
    removeChannel: {
        parameters: {
            query?: {
                force?: "true" | "false";
            };
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChangedChannel"];
                };
            };
        };
    };
    updateChannel: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Notices of so long become one message; 0: each is one. */
                    digestMs?: number;
                    enabled?: boolean;
                    /** @description Where an event that needs a reaction goes when nobody has acknowledged it for so long. */
                    escalate?: {
                        afterMs: number;
                        channel: string;
                    } | null;
                    /** @description Names of events, `*` standing for any part: `rotation.*`. None: only what policies and other channels send here. */
                    events?: string[];
                    /**
                     * @description Disable or rename it though channels escalate to it, or policies name it.
                     * @default false
                     */
                    force?: boolean;
                    name?: string;
                    /** @description Only urgent notices come in these hours; the others come together at their end. */
                    quiet?: {
                        from: string;
                        to: string;
                        /** @description IANA time zone, such as Europe/Berlin. */
                        zone: string;
                    } | null;
                    /**
                     * @description Nothing below this.
                     * @enum {string}
                     */
                    severity?: "info" | "warning" | "urgent";
                    target?: components["schemas"]["ChannelTargetInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChangedChannel"];
                };
            };
        };
    };
    endOldChannelSecret: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Channel"];
                };
            };
        };
    };
    rotateChannelSecret: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description For so long deliveries are signed with the old secret too; otherwise 7 days. */
                    keepOldMs?: number;
                } | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedChannel"];
                };
            };
        };
    };
    testChannel: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                channel: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChannelTest"];
                };
            };
        };
    };
    listConsumers: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                /** @description name=value; may be given several times. */
                label?: string | string[];
                limit?: number;
                name?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Consumer"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createConsumer: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default {} */
                    labels?: {
                        [key: string]: string;
                    };
                    name: string;
                    /**
                     * @description Who may call from where: 10.0.0.0/8 is allowed, !10.1.0.0/16 is not, whatever else allows it. Empty: from everywhere.
                     * @default []
                     */
                    networks?: string[];
                    /** @default  */
                    notes?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Consumer"];
                };
            };
        };
    };
    getConsumer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                consumer: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Consumer"];
                };
            };
        };
    };
    updateConsumer: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                consumer: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    labels?: {
                        [key: string]: string;
                    };
                    name?: string;
                    /** @description Who may call from where: 10.0.0.0/8 is allowed, !10.1.0.0/16 is not, whatever else allows it. Empty: from everywhere. */
                    networks?: string[];
                    notes?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Consumer"];
                };
            };
        };
    };
    getCustodian: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                /** @description Only what was shown to their own tokens. */
                direct?: "true" | "false";
                limit?: number;
                state?: "works" | "dormant" | "replacing" | "done";
            };
            header?: never;
            path: {
                /** @description A token's handle, an owner, a consumer's name or handle, or a label name=value; owner:… says which is meant. */
                who: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CustodianReach"];
                };
            };
        };
    };
    offboard: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description A token's handle, an owner, a consumer's name or handle, or a label name=value; owner:… says which is meant. */
                who: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description Only what was shown to their own tokens.
                     * @default false
                     */
                    direct?: boolean;
                    /**
                     * @default rotate
                     * @enum {string}
                     */
                    mode?: "rotate" | "kill" | "contain";
                    /** @description For the audit log: why. */
                    reason: string;
                    /**
                     * @description Revoke also the tokens that they have made for others.
                     * @default false
                     */
                    revokeMade?: boolean;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Offboarded"];
                };
            };
        };
    };
    startEmergency: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description Change nothing; count what would be selected.
                     * @default false
                     */
                    dryRun?: boolean;
                    /** @description Refused if more keys are selected than this: the number that a dry run has shown. */
                    expect?: {
                        keys: number;
                    };
                    fence?: {
                        networks?: string[];
                        scopes?: string[];
                    };
                    /**
                     * @description kill: refused now, everywhere. contain: fenced to where it was always seen, while the consumer changes over.
                     * @enum {string}
                     */
                    mode: "kill" | "contain";
                    name?: string;
                    /** @description For the audit log: why. */
                    reason: string;
                    select: components["schemas"]["KeySelectionInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CampaignPreview"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Campaign"];
                };
            };
        };
    };
    listKeys: {
        parameters: {
            query?: {
                /** @description By the current version. */
                activatedSince?: number;
                activatedUntil?: number;
                api?: string;
                consumer?: string;
                createdBy?: string;
                createdSince?: number;
                createdUntil?: number;
                currentVersion?: number;
                /** @description `next` of the page before. */
                cursor?: string;
                environment?: string;
                /** @description Keys that expire before this time. */
                expiresUntil?: number;
                /** @description name=value; may be given several times. */
                label?: string | string[];
                limit?: number;
                name?: string;
                /** @description Part of the notes, in any case. */
                notes?: string;
                status?: "active" | "suspended" | "revoked";
                /** @description Keys not seen since this time. */
                unusedSince?: number;
                /** @description Keys seen at or after this time. */
                usedSince?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Key"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description The api's handle or name. */
                    api: string;
                    consumer: string;
                    environment: string;
                    /** @default null */
                    expiresAt?: number | null;
                    /** @default {} */
                    labels?: {
                        [key: string]: string;
                    };
                    /** @default default */
                    name?: string;
                    /**
                     * @description Who may call from where: 10.0.0.0/8 is allowed, !10.1.0.0/16 is not, whatever else allows it. Empty: from everywhere.
                     * @default []
                     */
                    networks?: string[];
                    /**
                     * @description `report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.
                     * @enum {string}
                     */
                    networksMode?: "enforce" | "report";
                    /** @default  */
                    notes?: string;
                    /** @description Handle, or name in the api; null: the api's default. */
                    plan?: string | null;
                    policy?: components["schemas"]["RotationPolicyPatchInput"];
                    scopes: string[];
                    /** @description SHA-256 (base64url, 43 characters) of a secret that the consumer made itself. It should have 112 bits of entropy or more. */
                    sha256?: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedKey"];
                };
            };
        };
    };
    getKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyWithVersions"];
                };
            };
        };
    };
    updateKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    expiresAt?: number | null;
                    labels?: {
                        [key: string]: string;
                    };
                    name?: string;
                    /** @description Who may call from where: 10.0.0.0/8 is allowed, !10.1.0.0/16 is not, whatever else allows it. Empty: from everywhere. */
                    networks?: string[];
                    /**
                     * @description `report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.
                     * @enum {string}
                     */
                    networksMode?: "enforce" | "report";
                    notes?: string;
                    /** @description Handle, or name in the api; null: the api's default. */
                    plan?: string | null;
                    policy?: components["schemas"]["RotationPolicyPatchInput"];
                    scopes?: string[];
                    /** @description Needed where the new scopes are not covered by the old. */
                    widen?: boolean;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
        };
    };
    emergency: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    fence?: {
                        networks?: string[];
                        scopes?: string[];
                    };
                    /**
                     * @description kill: refused now, everywhere. contain: fenced to where it was always seen, while the consumer changes over.
                     * @enum {string}
                     */
                    mode: "kill" | "contain";
                    /** @description For the audit log: why. */
                    reason: string;
                    version?: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    explainPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExplainedPolicy"];
                };
            };
        };
    };
    restoreKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
        };
    };
    startRotation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    policy?: components["schemas"]["RotationPolicyPatchInput"];
                    /**
                     * @description For the audit log: why.
                     * @default routine
                     */
                    reason?: string;
                    /** @description Narrower scopes for the successor. */
                    scopes?: string[];
                    /** @description SHA-256 (base64url, 43 characters) of a secret that the consumer made itself. It should have 112 bits of entropy or more. */
                    sha256?: string;
                    /** @description Epoch milliseconds. */
                    startsAt?: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    suspendKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Key"];
                };
            };
        };
    };
    getKeyUsage: {
        parameters: {
            query?: {
                /** @description At most a day of 10 seconds, two days of minutes, 400 of (UTC) days. Minutes are kept for a week. */
                by?: "10s" | "minute" | "day";
                /** @description Epoch milliseconds. Otherwise the last hour, two days or 30 days. */
                from?: number;
                /** @description Otherwise now. */
                to?: number;
            };
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Usage"];
                };
            };
        };
    };
    listNotices: {
        parameters: {
            query?: {
                channel?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                state?: "waiting" | "sent" | "dead";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Notice"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    getNotice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                notice: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NoticeWithText"];
                };
            };
        };
    };
    acknowledgeNotice: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                notice: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Notice"];
                };
            };
        };
    };
    resendNotice: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                notice: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Notice"];
                };
            };
        };
    };
    revokePresentedKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": components["schemas"]["PresentedTokenInput"];
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It is refused, if it ever was accepted. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused; `error` is one of RFC 6749 §5.2 or RFC 7009 §2.2.1. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OauthError"];
                };
            };
            /** @description Refused; `error` is one of RFC 6749 §5.2 or RFC 7009 §2.2.1. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OauthError"];
                };
            };
            /** @description Refused; `error` is one of RFC 6749 §5.2 or RFC 7009 §2.2.1. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OauthError"];
                };
            };
            /** @description Refused; `error` is one of RFC 6749 §5.2 or RFC 7009 §2.2.1. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OauthError"];
                };
            };
        };
    };
    listPolicies: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                name?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Policy"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    getPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                policy: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyWithAttachments"];
                };
            };
        };
    };
    applyPolicy: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                policy: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description Change nothing; say what would change.
                     * @default false
                     */
                    dryRun?: boolean;
                    spec: components["schemas"]["PolicySpecInput"];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppliedPolicy"];
                };
            };
        };
    };
    removePolicy: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                policy: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Policy"];
                };
            };
        };
    };
    attachPolicy: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                policy: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    target: {
                        api: string;
                        /** @enum {string} */
                        kind: "api";
                    } | {
                        api: string;
                        environment: string;
                        /** @enum {string} */
                        kind: "environment";
                    } | {
                        /**
                         * @description Only keys of this api.
                         * @default null
                         */
                        api?: string | null;
                        /** @enum {string} */
                        kind: "label";
                        name: string;
                        value: string;
                    } | {
                        key: string;
                        /** @enum {string} */
                        kind: "key";
                    };
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AttachedPolicy"];
                };
            };
        };
    };
    getPolicyHistory: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                policy: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["PolicyVersion"][];
                    };
                };
            };
        };
    };
    getPolicySchema: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description For editors: what `keyover policy apply` reads. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/schema+json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    listRotations: {
        parameters: {
            query?: {
                api?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                ended?: "true" | "false";
                key?: string;
                limit?: number;
                phase?: "planned" | "propagating" | "offered" | "overlapping" | "retired" | "completed" | "cancelled" | "rolled-back";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Rotation"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    getRotation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    brownOut: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description So long the old version is refused, from now on. */
                    forMs: number;
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    endBrownout: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    cancelRotation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    claimSuccessor: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Claim"];
                };
            };
        };
    };
    confirmSuccessor: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    version?: number;
                } | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    moveDeadline: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Epoch milliseconds. */
                    overlapEndsAt: number;
                } | {
                    /** @description Later by this much; negative: sooner. */
                    byMs: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    getEvidence: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Evidence"];
                };
            };
        };
    };
    extendOverlap: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Later by this much. */
                    byMs: number;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    liftFence: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    pauseRotation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    resumeRotation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    retireOldVersion: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    rollBack: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                rotation: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description For the audit log: why. */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotation"];
                };
            };
        };
    };
    getOwnLimits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SelfLimits"];
                };
            };
        };
    };
    getOwnRotation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OwnRotation"];
                };
            };
        };
    };
    getOwnUsage: {
        parameters: {
            query?: {
                /** @description At most a day of 10 seconds, two days of minutes, 400 of (UTC) days. Minutes are kept for a week. */
                by?: "10s" | "minute" | "day";
                /** @description Epoch milliseconds. Otherwise the last hour, two days or 30 days. */
                from?: number;
                /** @description Otherwise now. */
                to?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SelfUsage"];
                };
            };
        };
    };
    listTokens: {
        parameters: {
            query?: {
                consumer?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
                /** @description In any case of letters. */
                owner?: string;
                revoked?: "true" | "false";
                role?: "admin" | "operator" | "auditor" | "verifier" | "consumer";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Token"][];
                        next: string | null;
                    };
                };
            };
        };
    };
    createToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description Verifier tokens: handles or names.
                     * @default []
                     */
                    apis?: string[];
                    /** @default null */
                    consumer?: string | null;
                    /** @default [] */
                    environments?: string[];
                    /** @default null */
                    expiresAt?: number | null;
                    name: string;
                    /**
                     * @description Whose it is: a person's mail address, a team. `keyover offboard` finds it by this.
                     * @default null
                     */
                    owner?: string | null;
                    /** @enum {string} */
                    role: "admin" | "operator" | "auditor" | "verifier" | "consumer";
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedToken"];
                };
            };
        };
    };
    updateToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    owner: string | null;
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Token"];
                };
            };
        };
    };
    revokeToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days. */
                "Idempotency-Key"?: string;
            };
            path: {
                token: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": Record<string, never> | null;
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Token"];
                };
            };
        };
    };
    verify: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    api: string;
                    client?: string;
                    /** @description What the request takes of the key's limits. Otherwise 1. */
                    cost?: number;
                    environment?: string;
                    instance?: string;
                    /** @description The presented text. */
                    key: string;
                    /** @description The caller's address. */
                    network?: string;
                    scope?: string | string[];
                };
            };
        };
        responses: {
            /** @description Refused; `code` says why. */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not done, for a reason of the server's: shutting down, disk full, a defect. */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Default Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verdict"];
                };
            };
        };
    };
}
