/** The faults of all processes, and the page's changes to them. */

import { signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { type Draft, type Fault, type FaultState, parseFaults, replacement } from "../model/faults.ts";
import { api } from "./api.ts";

/** The longest that any fault of a change may last; each has its own duration. */
const PATH = "/api/faults";
const LONGEST = "?for=24h";

export const faults = signal<FaultState | undefined>(undefined);
export const failure = signal<Failure | undefined>(undefined);

/** Kept in memory alone. */
export const token = signal("");

/** Sends a request, and shows the faults that the gateway returns. */
async function send(method?: "PUT" | "DELETE", text?: string): Promise<void> {
  const base = api.value;
  const path = method === "PUT" ? PATH + LONGEST : PATH;
  const headers = token.value === "" ? {} : { authorization: `Bearer ${token.value}` };
  const parse = (json: unknown) => parseFaults(json, Date.now());
  try {
    const request = { base, path, parse, headers, ...(method ? { method } : {}), ...(text ? { text } : {}) };
    const { body } = await fetchJson(request);
    faults.value = body;
    failure.value = undefined;
  } catch (error) {
    failure.value = toFailure(error, base + path);
  }
}

export function load(): Promise<void> {
  return send();
}

export function clearAll(): Promise<void> {
  return send("DELETE");
}

/** Adds a fault to the others. */
export function add(draft: Draft): Promise<void> {
  return send("PUT", replacement(faults.value?.faults ?? [], Date.now(), { added: draft }));
}

/** Ends one fault. */
export function clear(fault: Fault): Promise<void> {
  const text = replacement(faults.value?.faults ?? [], Date.now(), { without: fault });
  return text === "" ? clearAll() : send("PUT", text);
}
