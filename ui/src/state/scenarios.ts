/** The gateway's scenarios, and the page's start and stop of a run. Every page shows the same run. */

import { signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { isActive } from "../model/load-runs.ts";
import { parseScenarios, type Scenarios } from "../model/scenarios.ts";
import { api } from "./api.ts";
import { fetchInto, newFeed, reset } from "./feed.ts";
import { poll } from "./poll.ts";

const PATH = "/api/scenarios";

/** Milliseconds between two requests, while a scenario runs and otherwise. */
const ACTIVE_MS = 500;
const IDLE_MS = 3_000;

export const scenarios = newFeed<Scenarios>();

/** Why the last start or stop failed. */
export const commandFailure = signal<Failure | undefined>(undefined);

let askNow = () => {};

/** Asks for the scenarios until the returned function is called. */
export function follow(): () => void {
  const base = api.peek();
  const stopped = new AbortController();
  reset(scenarios);
  const request = { base, path: PATH, parse: parseScenarios, signal: stopped.signal };
  const polling = poll(
    () => fetchInto(scenarios, request),
    () => (isActive(scenarios.peek().data?.run?.state) ? ACTIVE_MS : IDLE_MS),
  );
  askNow = polling.now;
  return () => {
    stopped.abort();
    polling.stop();
  };
}

export function start(scenario: string): Promise<void> {
  return command("POST", { scenario });
}

export function stop(): Promise<void> {
  return command("DELETE");
}

async function command(method: "POST" | "DELETE", body?: { scenario: string }): Promise<void> {
  const base = api.value;
  commandFailure.value = undefined;
  try {
    const answer = await fetchJson({ base, path: PATH, parse: parseScenarios, method, body });
    scenarios.value = { data: answer.body, at: Date.now(), failure: undefined, isLoading: false };
  } catch (error) {
    commandFailure.value = toFailure(error, base + PATH);
  }
  askNow();
}
