/** What the processes themselves count: gRPC's series of their `/metrics`. */

export interface Counted {
  calls: number;
  errors: number;
  cancelled: number;
}

/** The calls that took at most so many milliseconds: a Prometheus histogram's buckets, in order. */
type Buckets = Map<number, number>;

export interface Counters {
  /** The calls that the process made, by upstream. */
  upstreams: Map<string, Counted>;
  /** Their durations. */
  durations: Map<string, Buckets>;
  /** Greetings that it started to serve, and those that it finished. */
  served: { started: number; ended: number };
  /** Those of its calls that ended, by upstream. */
  ended: Map<string, number>;
  /** Spans that its exporter delivered. */
  exported: number;
}

export const NOTHING: Counted = { calls: 0, errors: 0, cancelled: 0 };

export function sum(one: Counted, other: Counted): Counted {
  return {
    calls: one.calls + other.calls,
    errors: one.errors + other.errors,
    cancelled: one.cancelled + other.cancelled,
  };
}

export async function readCounters(admin: string): Promise<Counters> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const found: Counters = {
    upstreams: new Map(),
    durations: new Map(),
    served: { started: 0, ended: 0 },
    ended: new Map(),
    exported: 0,
  };
  for (const line of text.split("\n")) {
    const [, name = "", labels = "", digits] = /^(\w+)\{(.*)\} (\d+)$/.exec(line) ?? [];
    const value = Number(digits);
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
    const upstream = label("upstream");
    const edge = found.upstreams.get(upstream) ?? NOTHING;
    const isGreeting = label("grpc_service").endsWith("GreetingService");
    switch (name) {
      case "grpc_client_started_total":
        found.upstreams.set(upstream, sum(edge, { ...NOTHING, calls: value }));
        break;
      case "grpc_client_handled_total": {
        const code = label("grpc_code");
        const [errors, cancelled] = [code !== "OK" && code !== "Canceled", code === "Canceled"];
        found.ended.set(upstream, (found.ended.get(upstream) ?? 0) + value);
        found.upstreams.set(
          upstream,
          sum(edge, { calls: 0, errors: errors ? value : 0, cancelled: cancelled ? value : 0 }),
        );
        break;
      }
      case "grpc_client_handling_seconds_bucket": {
        const limit = label("le") === "+Inf" ? Number.POSITIVE_INFINITY : Number(label("le")) * 1_000;
        const buckets = found.durations.get(upstream) ?? new Map();
        found.durations.set(upstream, buckets.set(limit, (buckets.get(limit) ?? 0) + value));
        break;
      }
      case "grpc_server_started_total":
        if (isGreeting) found.served.started += value;
        break;
      case "grpc_server_handled_total":
        if (isGreeting) found.served.ended += value;
        break;
      case "octet_trace_spans_total":
        if (label("result") === "exported") found.exported += value;
        break;
    }
  }
  return found;
}

/**
 * Between which two limits in milliseconds a percentile is, by a caller's own buckets. `calls` is the number of calls
 * that others counted: each call that only one side counted moves the percentile's rank by at most one.
 */
export function bounds(buckets: Buckets, percent: number, calls: number): [number, number] {
  const counted = buckets.get(Number.POSITIVE_INFINITY) ?? 0;
  const rank = Math.ceil((counted * percent) / 100);
  const off = Math.abs(counted - calls);
  const below = [...buckets].filter(([, count]) => count < rank - off).map(([limit]) => limit);
  const above = [...buckets].filter(([, count]) => count >= rank + off).map(([limit]) => limit);
  return [Math.max(0, ...below), Math.min(Number.POSITIVE_INFINITY, ...above)];
}
