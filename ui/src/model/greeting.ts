/** Greetings as the gateway returns them. */

import { list, record, text } from "./json.ts";

export interface Greeting {
  id: string;
  service: string;
  message: string;
  created: string;
  hostname: string;
}

/** The response of `/api/greeting`. */
export function parseGreetings(json: unknown): Greeting[] | undefined {
  return list(record(json)?.greeting)?.map(parseGreeting);
}

/** A message of `/api/greeting/stream`. */
export function parseGreeting(json: unknown): Greeting {
  const body = record(json);
  const field = (name: keyof Greeting) => text(body?.[name]) ?? "";
  return {
    id: field("id"),
    service: field("service"),
    message: field("message"),
    created: field("created"),
    hostname: field("hostname"),
  };
}

export interface Missing {
  /** From the entry's upstream to the missing service. */
  path: string[];
  code: string;
}

/** Reads `octet-missing`, which lists the upstreams that a partial response omits. */
export function parseMissing(header: string | null): Missing[] {
  return (header ?? "").split(",").flatMap((element) => {
    const [path = "", code = "UNKNOWN"] = element.trim().split("=", 2);
    return path === "" ? [] : [{ path: path.split("/"), code }];
  });
}

/**
 * The paths in an error message such as `service-a/service-b: …`, or `a/b, a/c: …` when several services missed the
 * deadline; empty unless all their services are known.
 */
export function failedPaths(message: string, known: readonly string[]): string[][] {
  const at = message.indexOf(": ");
  if (at < 0) return [];
  const paths = message
    .slice(0, at)
    .split(", ")
    .map((path) => path.split("/"));
  return paths.flat().every((name) => known.includes(name)) ? paths : [];
}
