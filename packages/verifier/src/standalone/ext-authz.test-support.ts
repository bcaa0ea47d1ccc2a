/**
 * Envoy's side of ext_authz over gRPC, by libraries that are not ours: @grpc/grpc-js and protobufjs. The messages are those that
 * envoyproxy/envoy documents under api/envoy/service/auth/v3, with their numbers, those among them that we pass over included.
 */
import { type ChannelCredentials, Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { fromJSON, type MethodDefinition, type ServiceDefinition } from "@grpc/proto-loader";

type FieldOf = { type: string; id: number; rule?: "repeated"; keyType?: string };

const one = (type: string, id: number): FieldOf => ({ type, id });
const many = (type: string, id: number): FieldOf => ({ type, id, rule: "repeated" });
const map = (type: string, id: number): FieldOf => ({ type, id, keyType: "string" });
const message = (fields: Record<string, FieldOf>, oneofs: Record<string, { oneof: string[] }> = {}) => ({
  fields,
  oneofs,
});

const messages = {
  CheckRequest: message({ attributes: one("AttributeContext", 1) }),
  AttributeContext: message({
    source: one("Peer", 1),
    destination: one("Peer", 2),
    request: one("Request", 4),
    context_extensions: map("string", 10),
    metadata_context: one("Metadata", 11),
    tls_session: one("TlsSession", 12),
  }),
  Peer: message({
    address: one("Address", 1),
    service: one("string", 2),
    labels: map("string", 3),
    principal: one("string", 4),
    certificate: one("string", 5),
  }),
  Address: message({ socket_address: one("SocketAddress", 1), pipe: one("Pipe", 2) }),
  SocketAddress: message({ protocol: one("int32", 1), address: one("string", 2), port_value: one("uint32", 3) }),
  Pipe: message({ path: one("string", 1), mode: one("uint32", 2) }),
  Request: message({ time: one("Timestamp", 1), http: one("HttpRequest", 2) }),
  HttpRequest: message({
    id: one("string", 1),
    method: one("string", 2),
    headers: map("string", 3),
    path: one("string", 4),
    host: one("string", 5),
    scheme: one("string", 6),
    size: one("int64", 9),
    protocol: one("string", 10),
    body: one("string", 11),
    raw_body: one("bytes", 12),
    header_map: one("HeaderMap", 13),
  }),
  HeaderMap: message({ headers: many("HeaderValue", 1) }),
  HeaderValue: message({ key: one("string", 1), value: one("string", 2), raw_value: one("bytes", 3) }),
  TlsSession: message({ sni: one("string", 1) }),
  Metadata: message({ filter_metadata: map("Struct", 1) }),
  Timestamp: message({ seconds: one("int64", 1), nanos: one("int32", 2) }),
  CheckResponse: message(
    {
      status: one("Status", 1),
      denied_response: one("DeniedHttpResponse", 2),
      ok_response: one("OkHttpResponse", 3),
      dynamic_metadata: one("Struct", 4),
    },
    { http_response: { oneof: ["denied_response", "ok_response"] } },
  ),
  Status: message({ code: one("int32", 1), message: one("string", 2) }),
  DeniedHttpResponse: message({
    status: one("HttpStatus", 1),
    headers: many("HeaderValueOption", 2),
    body: one("string", 3),
  }),
  OkHttpResponse: message({
    headers: many("HeaderValueOption", 2),
    headers_to_remove: many("string", 5),
    response_headers_to_add: many("HeaderValueOption", 6),
  }),
  HttpStatus: message({ code: one("int32", 1) }),
  HeaderValueOption: message({
    header: one("HeaderValue", 1),
    append: one("BoolValue", 2),
    append_action: one("int32", 3),
  }),
  BoolValue: message({ value: one("bool", 1) }),
  Struct: message({ fields: map("Value", 1) }),
  Value: message({ string_value: one("string", 3) }),
};

const call = (requestType: string, responseType: string) => ({ requestType, responseType, comment: "" });
const packages = fromJSON(
  {
    nested: {
      envoy: {
        nested: {
          service: {
            nested: {
              auth: {
                nested: {
                  v3: {
                    nested: {
                      ...messages,
                      Authorization: {
                        methods: { Check: call("CheckRequest", "CheckResponse"), Other: call("Status", "Status") },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
      grpc: {
        nested: {
          health: {
            nested: {
              v1: {
                nested: {
                  HealthCheckRequest: message({ service: one("string", 1) }),
                  HealthCheckResponse: message({ status: one("int32", 1) }),
                  Health: { methods: { Check: call("HealthCheckRequest", "HealthCheckResponse") } },
                },
              },
            },
          },
        },
      },
    },
  },
  { keepCase: true, longs: String },
);
const authorization = packages["envoy.service.auth.v3.Authorization"] as ServiceDefinition;
const health = packages["grpc.health.v1.Health"] as ServiceDefinition;

/** What Envoy sends of one request of a caller at `from`. */
export function checkRequest(
  headers: Record<string, string>,
  { from = "192.0.2.10", path = "/v1/ticker?symbol=BTC", settings = {} as Record<string, string>, raw = false } = {},
) {
  const all = { ":authority": "api.test", ":method": "GET", ":path": path, "x-request-id": "5f1c", ...headers };
  const entries = Object.entries(all).map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));
  return {
    attributes: {
      source: { address: { socket_address: { address: from, port_value: 53_124 } }, principal: "spiffe://cluster/a" },
      destination: { address: { socket_address: { address: "10.0.0.1", port_value: 8080 } } },
      request: {
        time: { seconds: "1795000000", nanos: 5 },
        http: {
          id: "9215367389823467348",
          method: "GET",
          ...(raw ? { header_map: { headers: entries } } : { headers: all }),
          path,
          host: "api.test",
          scheme: "http",
          size: "-1",
          protocol: "HTTP/1.1",
        },
      },
      context_extensions: settings,
      metadata_context: { filter_metadata: { "envoy.filters.http.x": { fields: { a: { string_value: "b" } } } } },
      tls_session: { sni: "api.test" },
    },
  };
}

interface HeaderOption {
  header: { key: string; value: string };
  append: { value?: boolean } | null;
  append_action: number;
}

interface CheckResponse {
  status: { code?: number } | null;
  denied_response?: { status: { code: number }; headers: HeaderOption[]; body: string };
  ok_response?: { headers: HeaderOption[]; headers_to_remove: string[]; response_headers_to_add: HeaderOption[] };
  dynamic_metadata?: { fields: Record<string, { string_value: string }> };
}

/** What Envoy would do: with the request to the API, and with the response to the caller. */
export interface Outcome {
  rpc: number;
  /** To the caller, if it is refused. */
  refused: { status: number; headers: Record<string, string>; body: string } | undefined;
  /** What reaches the API under these names: `forged` is what the caller sent. */
  upstream: Record<string, string>;
  /** Onto the API's response; the API has a Link of its own. */
  toCaller: Record<string, string>;
  metadata: Record<string, string>;
}

/** As Envoy's ext_authz filter does it: sets and appends first, then removes. */
function outcomeOf(response: CheckResponse, sent: Record<string, string>): Outcome {
  const { status, denied_response: denied, ok_response: ok, dynamic_metadata: metadata } = response;
  const upstream = { ...sent };
  const toCaller: Record<string, string> = { link: "<own>" };
  apply(upstream, ok?.headers ?? []);
  for (const name of ok?.headers_to_remove ?? []) delete upstream[name];
  apply(toCaller, ok?.response_headers_to_add ?? []);
  const headers: Record<string, string> = {};
  apply(headers, denied?.headers ?? []);
  const fields = Object.entries(metadata?.fields ?? {});
  return {
    rpc: status?.code ?? 0,
    refused: denied && { status: denied.status.code, headers, body: denied.body },
    upstream,
    toCaller,
    metadata: Object.fromEntries(fields.map(([name, { string_value }]) => [name, string_value])),
  };
}

function apply(headers: Record<string, string>, options: readonly HeaderOption[]): void {
  for (const { header, append, append_action } of options) {
    // `append` counts where it is there; of append_action 0 is to append, 2 to overwrite.
    const appends = append === null ? append_action === 0 : append.value === true;
    if (appends !== (append_action === 0)) throw new Error(`${header.key}: append and append_action disagree`);
    const before = headers[header.key];
    headers[header.key] = appends && before !== undefined ? `${before}, ${header.value}` : header.value;
  }
}

export class EnvoyDouble {
  readonly #client: Client;

  /** `address`: as grpc-js takes it, such as 127.0.0.1:9191 or unix:/path. */
  constructor(address: string, by: ChannelCredentials = credentials.createInsecure()) {
    this.#client = new Client(address, by);
  }

  async check(request: object): Promise<CheckResponse> {
    return (await this.#call(authorization.Check as MethodDefinition<object, object>, request)) as CheckResponse;
  }

  async outcome(headers: Record<string, string>, about: Parameters<typeof checkRequest>[1] = {}): Promise<Outcome> {
    return outcomeOf(await this.check(checkRequest(headers, about)), headers);
  }

  /** Of a method that there is not. */
  other(): Promise<object> {
    return this.#call(authorization.Other as MethodDefinition<object, object>, {});
  }

  health(service: string): Promise<object> {
    return this.#call(health.Check as MethodDefinition<object, object>, { service });
  }

  close(): void {
    this.#client.close();
  }

  /** Rejects with a ServiceError, which has gRPC's `code`. */
  #call(method: MethodDefinition<object, object>, request: object): Promise<object> {
    return new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + 20_000);
      const { path, requestSerialize, responseDeserialize } = method;
      const settle = (error: ServiceError | null, value?: object) =>
        error === null && value !== undefined ? resolve(value) : reject(error);
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, settle);
    });
  }
}
