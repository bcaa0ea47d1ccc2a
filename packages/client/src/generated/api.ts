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
         * @description Lines of JSON (application/x-ndjson): a head with the feed's number, a record for each key, and an end with their count.
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
        /** Who uses which version, from where */
        get: operations["getKeyUsage"];
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
            notes: string;
        };
        CreatedKey: {
            api: string;
            consumer: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            id: string;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            notes: string;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
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
            revokedAt: number | null;
            /** @enum {string} */
            role: "admin" | "operator" | "auditor" | "verifier" | "consumer";
            secret: string | null;
        };
        Evidence: {
            gates: {
                earliestAt: number | null;
                explanation: string;
                met: boolean;
                /** @enum {string} */
                name: "minimum-overlap" | "successor-used" | "old-version-quiet";
            }[];
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
                    lastSeen: number;
                    longestGapMs: number;
                    moved: boolean;
                    quiet: boolean;
                    quietAt: number;
                    source: components["schemas"]["Source"];
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
            rotation: string;
            /** @description Requests of the last minute by version. */
            shares: {
                accepted: number;
                refused: number;
                share: number;
                version: number;
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
        Grant: {
            leaseMs: number;
            now: number;
            /** @enum {string} */
            onStale: "closed" | "static";
            staticMs: number;
        };
        Key: {
            api: string;
            consumer: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            id: string;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            notes: string;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
            /** @description The rotation that has not ended. */
            rotation: string | null;
            scopes: string[];
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            statusReason: string | null;
        };
        KeyWithVersions: {
            api: string;
            consumer: string;
            /** @description Epoch milliseconds. */
            createdAt: number;
            createdBy: string;
            currentVersion: number;
            environment: string;
            expiresAt: number | null;
            id: string;
            labels: {
                [key: string]: string;
            };
            name: string;
            networks: string[];
            notes: string;
            /** @description What this key overrides. */
            policy: components["schemas"]["RotationPolicyPatch"];
            /** @description The rotation that has not ended. */
            rotation: string | null;
            scopes: string[];
            /** @enum {string} */
            status: "active" | "suspended" | "revoked";
            statusReason: string | null;
            versions: components["schemas"]["Version"][];
        };
        MissAnswer: {
            now: number;
            record: {
                [key: string]: unknown;
            } | null;
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
            claimedAt: number | null;
            claimEndedAt: number | null;
            confirmedAt: number | null;
            /** @description Epoch milliseconds. */
            createdAt: number;
            endedAt: number | null;
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
            /** @enum {string} */
            phase: "planned" | "propagating" | "offered" | "overlapping" | "retired" | "completed" | "cancelled" | "rolled-back";
            policy: components["schemas"]["RotationPolicy"];
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
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs: number;
            /** @description And for its own longest gap times this. */
            gapMargin: number;
            /** @enum {string} */
            onDeadline: "hold" | "retire";
            /** @description Both versions are accepted at least this long. */
            overlapMinMs: number;
            /** @description From the offer to the deadline. */
            overlapMs: number;
            /** @description Every source silent at least this long. */
            quietMs: number;
            /** @description How long a retirement can be taken back. */
            rollbackMs: number;
        };
        RotationPolicyPatch: {
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description And for its own longest gap times this. */
            gapMargin?: number;
            /** @enum {string} */
            onDeadline?: "hold" | "retire";
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
        };
        RotationPolicyPatchInput: {
            /**
             * @description Who may take the successor: the consumer's token, or also the old version itself.
             * @enum {string}
             */
            claim?: "token" | "self";
            /** @description How long the sealed successor can be claimed. */
            claimMs?: number;
            /** @description And for its own longest gap times this. */
            gapMargin?: number;
            /** @enum {string} */
            onDeadline?: "hold" | "retire";
            /** @description Both versions are accepted at least this long. */
            overlapMinMs?: number;
            /** @description From the offer to the deadline. */
            overlapMs?: number;
            /** @description Every source silent at least this long. */
            quietMs?: number;
            /** @description How long a retirement can be taken back. */
            rollbackMs?: number;
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
            revokedAt: number | null;
            /** @enum {string} */
            role: "admin" | "operator" | "auditor" | "verifier" | "consumer";
        };
        Usage: {
            buckets: {
                accepted: number;
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
            key?: string;
            /** @description Epoch milliseconds. */
            retiredAt?: number;
            rotation?: {
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
            environments: string[];
            epoch: string;
            leaseMs: number;
            now: number;
            /** @enum {string} */
            onStale: "closed" | "static";
            reportEveryMs: number;
            staticMs: number;
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
                        longestGapMs: number;
                        refused: number;
                        source: {
                            client: string;
                            instance: string;
                            network: string;
                        };
                        version: number;
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
                    /** @default [] */
                    networks?: string[];
                    /** @default  */
                    notes?: string;
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
                    networks?: string[];
                    notes?: string;
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
                from?: number;
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
    listTokens: {
        parameters: {
            query?: {
                consumer?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                limit?: number;
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
