/**
 * The load run that the page shows. Where the gateway can run loads, it is the gateway's, and every page shows the same
 * one; elsewhere this tab sends the requests itself.
 */

import { computed, effect, signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { runLoad } from "../client/load-run.ts";
import { log } from "../client/log.ts";
import { type LoadLimits, type LoadPlan, TAB_LIMITS } from "../model/load-plan.ts";
import { type LoadReport, newReport, type Sample } from "../model/load-report.ts";
import { isActive, type LoadRuns, parseLoadRuns, type RunState } from "../model/load-runs.ts";
import { api } from "./api.ts";
import { fetchInto, newFeed, reset } from "./feed.ts";
import { refresh } from "./mesh.ts";
import { poll } from "./poll.ts";
import { route } from "./route.ts";

/** Milliseconds between two reports of a running load. */
const REPORT_MS = 250;

/** Milliseconds between two requests for the gateway's run, whose report changes each second. */
const ACTIVE_MS = 1_000;
const IDLE_MS = 3_000;

export interface Run {
  state: RunState;
  plan: LoadPlan;
  /** Milliseconds since the start. */
  elapsed: number;
  report: LoadReport | undefined;
  failure: string | undefined;
  unsent: number;
  /** What "Export JSON" saves. */
  toExport: () => unknown;
  /** This tab's requests; undefined for a run of the gateway. */
  samples: readonly Sample[] | undefined;
}

/** The gateway's answer to `/api/load`. */
export const runs = newFeed<LoadRuns>();

/** Why the last start or stop failed. */
export const commandFailure = signal<Failure | undefined>(undefined);

const ownRun = signal<Run | undefined>(undefined);

/** Undefined until the gateway has answered, or failed to. */
export const isGatewayRun = computed<boolean | undefined>(() => {
  const { data, failure } = runs.value;
  if (data) return data.available;
  return failure ? false : undefined;
});

export const limits = computed<LoadLimits>(() =>
  isGatewayRun.value === true ? (runs.value.data?.limits ?? TAB_LIMITS) : TAB_LIMITS,
);

export const run = computed<Run | undefined>(() => {
  // A run of this tab continues to be shown while it runs.
  if (isGatewayRun.value !== true || isActive(ownRun.value?.state)) return ownRun.value;
  const current = runs.value.data?.run;
  return current && { ...current, toExport: () => current.raw, samples: undefined };
});

let abort = new AbortController();
let askNow = () => {};

/** Asks for the gateway's run while the view is shown. */
export function startLoadFeed(): void {
  const isShown = computed(() => route.value?.view === "load");
  effect(() => {
    // Read, so that another gateway's run is not shown as this one's.
    if (api.value !== "") reset(runs);
  });
  effect(() => {
    const base = api.value;
    if (!isShown.value) return;
    const stopped = new AbortController();
    let wasActive = false;
    const isRunning = () => isActive(runs.peek().data?.run?.state);
    const ask = async () => {
      await fetchRuns(base, stopped.signal);
      if (stopped.signal.aborted) return;
      const active = isRunning();
      if (wasActive && !active) refresh();
      wasActive = active;
    };
    const polling = poll(ask, () => (isRunning() ? ACTIVE_MS : IDLE_MS));
    askNow = polling.now;
    return () => {
      stopped.abort();
      polling.stop();
    };
  });
}

async function fetchRuns(base: string, signal: AbortSignal): Promise<void> {
  const before = runs.peek().data?.run;
  await fetchInto(runs, { base, path: "/api/load", parse: parseLoadRuns, signal });
  const { data } = runs.peek();
  if (!data || data.run || !before) return;
  // The gateway knows no run any more: it was restarted, and the run ended with it.
  const failure = isActive(before.state)
    ? "The gateway was restarted, and the run ended with it."
    : before.failure;
  const state = isActive(before.state) ? ("failed" as const) : before.state;
  runs.value = { ...runs.peek(), data: { ...data, run: { ...before, state, failure } } };
}

export async function start(plan: LoadPlan): Promise<void> {
  if (isActive(run.value?.state)) return;
  commandFailure.value = undefined;
  if (isGatewayRun.value === true) await command("POST", plan);
  else await runHere(plan);
}

export function stop(): void {
  if (ownRun.peek()?.state === "running") abort.abort();
  else void command("DELETE");
}

async function command(method: "POST" | "DELETE", body?: LoadPlan): Promise<void> {
  const request = { base: api.value, path: "/api/load", parse: parseLoadRuns, method, body };
  try {
    const answer = await fetchJson(request);
    runs.value = { data: answer.body, at: Date.now(), failure: undefined, isLoading: false };
  } catch (error) {
    commandFailure.value = toFailure(error, request.base + request.path);
  }
  askNow();
}

/** Sends the requests from this tab. */
async function runHere(plan: LoadPlan): Promise<void> {
  const base = api.value;
  const started = performance.now();
  const samples: Sample[] = [];
  abort = new AbortController();
  const { signal } = abort;
  const report = (state: RunState, elapsed: number) => {
    const made = newReport(samples, elapsed);
    const toExport = () => ({ plan, base, elapsed, report: made, samples });
    ownRun.value = { state, plan, elapsed, report: made, failure: undefined, unsent: 0, toExport, samples };
  };
  report("running", 0);
  let timer = setTimeout(repeat, REPORT_MS);
  function repeat() {
    const before = performance.now();
    report("running", before - started);
    // Reports take at most a tenth of the tab's time, so that they do not slow down the load they measure.
    timer = setTimeout(repeat, Math.max(REPORT_MS, (performance.now() - before) * 10));
  }
  let elapsed: number | undefined;
  try {
    elapsed = await runLoad(base, plan, samples, signal);
  } catch (error) {
    log.error("the load run failed", error);
  }
  clearTimeout(timer);
  report(signal.aborted ? "stopped" : "done", elapsed ?? performance.now() - started);
  refresh();
}
