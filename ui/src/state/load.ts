/** The load run that is under way, or the last. It goes on while other views are shown. */

import { signal } from "@preact/signals";
import { runLoad } from "../client/load-run.ts";
import { log } from "../client/log.ts";
import type { LoadPlan } from "../model/load-plan.ts";
import { type LoadReport, reportOf, type Sample } from "../model/load-report.ts";
import { api } from "./api.ts";
import { refresh } from "./mesh.ts";

/** Milliseconds between two looks at a run under way. */
const LOOK_MS = 250;

export interface Run {
  state: "running" | "ended" | "stopped";
  plan: LoadPlan;
  base: string;
  /** Milliseconds since its begin. */
  elapsed: number;
  report: LoadReport;
}

export const run = signal<Run | undefined>(undefined);

let samples: Sample[] = [];
let stopping = new AbortController();

/** Every request of the last run. */
export function lastSamples(): readonly Sample[] {
  return samples;
}

export async function start(plan: LoadPlan): Promise<void> {
  if (run.value?.state === "running") return;
  const base = api.value;
  const begun = performance.now();
  const own: Sample[] = [];
  samples = own;
  stopping = new AbortController();
  const { signal } = stopping;
  const look = (state: Run["state"], elapsed: number) => {
    run.value = { state, plan, base, elapsed, report: reportOf(own, elapsed) };
  };
  look("running", 0);
  const timer = setInterval(() => look("running", performance.now() - begun), LOOK_MS);
  try {
    await runLoad(base, plan, own, signal);
  } catch (error) {
    log.error("the run broke off", error);
  }
  clearInterval(timer);
  // Until the last answer: what came after that was no load.
  const elapsed = own.reduce((end, sample) => Math.max(end, sample.at + sample.took), 0);
  look(signal.aborted ? "stopped" : "ended", elapsed);
  refresh();
}

export function stop(): void {
  stopping.abort();
}
