/** The faults of all processes, and the page's changes to them. */

import { signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { type Draft, type Fault, type FaultState, faultLine, parseFaults } from "../model/faults.ts";
import { api } from "./api.ts";

const PATH = "/api/faults";
/** A fault has a duration of its own. */
const LONGEST = "?for=24h";

export const faults = signal<FaultState | undefined>(undefined);
/** Why the list could not be loaded. */
export const failure = signal<Failure | undefined>(undefined);
/** Why the last change was refused; it stays when the list is loaded again. */
export const refusal = signal<Failure | undefined>(undefined);

/** Kept in memory alone. */
export const token = signal("");

/** Sends a request, and shows the faults that the gateway returns. */
async function send(
  change: { method?: "PATCH" | "DELETE"; query?: string; text?: string } = {},
): Promise<void> {
  const base = api.value;
  const { query = "", ...sent } = change;
  const path = PATH + query;
  const headers = token.value === "" ? {} : { authorization: `Bearer ${token.value}` };
  const parse = (json: unknown) => parseFaults(json, Date.now());
  const outcome = sent.method ? refusal : failure;
  try {
    const { body } = await fetchJson({ base, path, parse, headers, ...sent });
    faults.value = body;
    outcome.value = undefined;
  } catch (error) {
    outcome.value = toFailure(error, base + path);
  }
}

export function load(): Promise<void> {
  return send();
}

export function clearAll(): Promise<void> {
  return send({ method: "DELETE" });
}

/** Adds a fault to those of everybody. */
export function add(draft: Draft): Promise<void> {
  return send({ method: "PATCH", query: LONGEST, text: faultLine(draft) });
}

/** Ends one fault. */
export function clear({ fault }: Fault): Promise<void> {
  return send({ method: "DELETE", query: `?fault=${encodeURIComponent(fault)}` });
}
