/** The current load run, or the last one. It continues while other views are shown. */

import { signal } from "@preact/signals";
import { runLoad } from "../client/load-run.ts";
import { log } from "../client/log.ts";
import type { LoadPlan } from "../model/load-plan.ts";
import { type LoadReport, newReport, type Sample } from "../model/load-report.ts";
import { api } from "./api.ts";
import { refresh } from "./mesh.ts";

/** Milliseconds between two reports of a running load. */
const REPORT_MS = 250;

export interface Run {
  state: "running" | "done" | "stopped";
  plan: LoadPlan;
  base: string;
  /** Milliseconds since the start. */
  elapsed: number;
  report: LoadReport;
}

export const run = signal<Run | undefined>(undefined);

let samples: Sample[] = [];
let abort = new AbortController();

/** Every request of the last run. */
export function lastSamples(): readonly Sample[] {
  return samples;
}

export async function start(plan: LoadPlan): Promise<void> {
  if (run.value?.state === "running") return;
  const base = api.value;
  const started = performance.now();
  const own: Sample[] = [];
  samples = own;
  abort = new AbortController();
  const { signal } = abort;
  const report = (state: Run["state"], elapsed: number) => {
    run.value = { state, plan, base, elapsed, report: newReport(own, elapsed) };
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
    elapsed = await runLoad(base, plan, own, signal);
  } catch (error) {
    log.error("the load run failed", error);
  }
  clearTimeout(timer);
  report(signal.aborted ? "stopped" : "done", elapsed ?? performance.now() - started);
  refresh();
}

export function stop(): void {
  abort.abort();
}
