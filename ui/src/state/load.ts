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
  let timer = setTimeout(again, LOOK_MS);
  function again() {
    const looked = performance.now();
    look("running", looked - begun);
    // To count what is measured must not slow it: of the page's time, a tenth at most.
    timer = setTimeout(again, Math.max(LOOK_MS, (performance.now() - looked) * 10));
  }
  let elapsed: number | undefined;
  try {
    elapsed = await runLoad(base, plan, own, signal);
  } catch (error) {
    log.error("the run broke off", error);
  }
  clearTimeout(timer);
  look(signal.aborted ? "stopped" : "ended", elapsed ?? performance.now() - begun);
  refresh();
}

export function stop(): void {
  stopping.abort();
}
