/** The response of `/api/greeting`. */

import { list, record, text } from "./json.ts";

export interface Greeting {
  id: string;
  service: string;
  message: string;
  created: string;
  hostname: string;
}

export function parseGreetings(json: unknown): Greeting[] | undefined {
  return list(record(json)?.greeting)?.map((item) => {
    const body = record(item);
    const field = (name: keyof Greeting) => text(body?.[name]) ?? "";
    return {
      id: field("id"),
      service: field("service"),
      message: field("message"),
      created: field("created"),
      hostname: field("hostname"),
    };
  });
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

/** The path in an error message such as `service-b/service-e: …`; empty unless all its services are known. */
export function failedPath(message: string, known: readonly string[]): string[] {
  const at = message.indexOf(": ");
  if (at < 0) return [];
  const path = message.slice(0, at).split("/");
  return path.every((name) => known.includes(name)) ? path : [];
}
