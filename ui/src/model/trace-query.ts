/** The filters of Traces, as the address has them and as Zipkin's API takes them. */

import { LOOKBACKS, lookbackName } from "./route.ts";

export const LIMITS = [20, 50, 100, 500] as const;

export interface TraceQuery {
  service: string;
  /** The service at the other side of a call. */
  remote: string;
  name: string;
  /** `error`, or `http.route=/api/greeting`; several with ` and `. */
  tag: string;
  /** Durations as people write them; wrong ones are told by `problems`. */
  min: string;
  max: string;
  lookback: string;
  limit: number;
}

export function readTraceQuery(query: Readonly<Record<string, string>>): TraceQuery {
  const limit = LIMITS.find((known) => String(known) === query.limit) ?? 50;
  const { service = "", remote = "", name = "", tag = "", min = "", max = "" } = query;
  return { service, remote, name, tag, min, max, lookback: lookbackName(query, "15m"), limit };
}

/** Microseconds of `5ms`, `300 µs`, `1.5s`, or of a bare number of milliseconds; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(us|µs|μs|ms|s|)$/.exec(text.trim().toLowerCase());
  if (!match) return undefined;
  const factor = { us: 1, µs: 1, μs: 1, ms: 1_000, s: 1_000_000 }[match[2] ?? ""] ?? 1_000;
  const value = Math.round(Number(match[1]) * factor);
  return value > 0 ? value : undefined;
}

/** What is wrong with the filters, in words. */
export function problems(query: TraceQuery): string[] {
  const { min, max } = query;
  const found: string[] = [];
  const [least, most] = [parseDuration(min), parseDuration(max)];
  for (const [name, typed, value] of [
    ["shortest", min, least],
    ["longest", max, most],
  ] as const) {
    if (typed !== "" && value === undefined)
      found.push(`The ${name} duration must be such as 300us, 5ms or 1.5s.`);
  }
  if (least !== undefined && most !== undefined && least > most) {
    found.push("The shortest duration is longer than the longest.");
  }
  return found;
}

/** The path and query of Zipkin's search, below the gateway. */
export function searchPath(query: TraceQuery): string {
  const parameters = new URLSearchParams();
  const set = (key: string, value: string) => {
    if (value !== "") parameters.set(key, value);
  };
  set("serviceName", query.service);
  set("remoteServiceName", query.remote);
  set("spanName", query.name.toLowerCase());
  set("annotationQuery", query.tag);
  set("minDuration", String(parseDuration(query.min) ?? ""));
  // Zipkin refuses a longest duration alone.
  const max = parseDuration(query.max);
  if (max !== undefined) {
    set("minDuration", String(parseDuration(query.min) ?? 1));
    set("maxDuration", String(max));
  }
  set("lookback", String(LOOKBACKS[query.lookback] ?? LOOKBACKS["15m"]));
  set("limit", String(query.limit));
  return `/zipkin/api/v2/traces?${parameters}`;
}
