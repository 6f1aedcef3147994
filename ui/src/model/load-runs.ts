/** The gateway's load runs, from `/api/load`. */

import { list, number, record, text } from "./json.ts";
import type { LoadLimits, LoadPlan } from "./load-plan.ts";
import type { Example, LoadReport, Second } from "./load-report.ts";
import type { Summary } from "./percentiles.ts";

const STATES = ["running", "stopping", "done", "stopped", "failed"] as const;
export type RunState = (typeof STATES)[number];

export interface GatewayRun {
  id: string;
  plan: LoadPlan;
  state: RunState;
  failure: string | undefined;
  /** Milliseconds. */
  elapsed: number;
  /** Requests that were due and not sent. */
  unsent: number;
  report: LoadReport | undefined;
  /** The report as the gateway sent it. */
  raw: unknown;
}

export interface LoadRuns {
  /** Whether this page may start runs. */
  available: boolean;
  reason: string | undefined;
  limits: LoadLimits | undefined;
  run: GatewayRun | undefined;
}

export function parseLoadRuns(json: unknown): LoadRuns | undefined {
  const answer = record(json);
  if (typeof answer?.available !== "boolean") return undefined;
  return {
    available: answer.available,
    reason: text(answer.reason),
    limits: parseLimits(answer.limits),
    run: parseRun(answer.run),
  };
}

export function runState(json: unknown): RunState | undefined {
  return STATES.find((known) => known === json);
}

export function isActive(state: RunState | undefined): boolean {
  return state === "running" || state === "stopping";
}

function parseLimits(json: unknown): LoadLimits | undefined {
  const limits = record(json);
  const range = (key: string) => {
    const { min, max } = record(limits?.[key]) ?? {};
    return { min: number(min) ?? 1, max: number(max) ?? 1 };
  };
  if (!limits) return undefined;
  return {
    users: range("users"),
    seconds: range("seconds"),
    requests: range("requests"),
    rate: range("rate"),
  };
}

function parseRun(json: unknown): GatewayRun | undefined {
  const run = record(json);
  const id = text(run?.id);
  const state = runState(run?.state);
  const plan = record(run?.plan);
  if (!run || !id || !state || !plan) return undefined;
  const report = record(run.report);
  return {
    id,
    state,
    plan: {
      users: number(plan.users) ?? 0,
      seconds: number(plan.seconds),
      requests: number(plan.requests),
      rate: number(plan.rate),
    },
    failure: text(run.failure),
    elapsed: (number(report?.elapsed_seconds) ?? 0) * 1000,
    unsent: number(report?.unsent) ?? 0,
    report: report && parseReport(report),
    raw: run.report,
  };
}

function parseReport(report: Record<string, unknown>): LoadReport {
  const bins = (list(report.histogram) ?? []).map((bin) => {
    const { from_ms, to_ms, count } = record(bin) ?? {};
    return { from: number(from_ms) ?? 0, to: number(to_ms) ?? 0, count: number(count) ?? 0 };
  });
  return {
    latency: parseLatency(report.success_latency, number(report.succeeded) ?? 0),
    all: parseLatency(report.latency, number(report.requests) ?? 0),
    waited: undefined,
    bins,
    seconds: (list(report.seconds) ?? []).map(parseSecond),
    outcomes: counts(report.outcomes),
    slowest: (list(report.slowest) ?? []).map(parseExample),
    failures: (list(report.failures) ?? []).map(parseExample),
    count: number(report.requests) ?? 0,
    failed: number(report.failed) ?? 0,
    perSecond: number(report.per_second) ?? 0,
    includesWait: false,
  };
}

function parseLatency(json: unknown, count: number): Summary | undefined {
  const latency = record(json);
  if (!latency) return undefined;
  const at = (key: string) => number(latency[`${key}_ms`]) ?? 0;
  return {
    count,
    min: at("min"),
    mean: at("mean"),
    p50: at("p50"),
    p90: at("p90"),
    p95: at("p95"),
    p99: at("p99"),
    max: at("max"),
  };
}

function parseSecond(json: unknown): Second {
  const row = record(json) ?? {};
  return {
    second: number(row.second) ?? 0,
    length: number(row.length) ?? 1,
    requests: number(row.requests) ?? 0,
    errors: counts(row.errors),
    p50: number(row.p50_ms),
    p99: number(row.p99_ms),
  };
}

function parseExample(json: unknown): Example {
  const example = record(json) ?? {};
  return {
    at: number(example.at_ms) ?? 0,
    took: number(example.latency_ms) ?? 0,
    outcome: text(example.outcome) ?? "",
    traceId: text(example.trace_id),
  };
}

/** Most frequent first. */
function counts(json: unknown): [string, number][] {
  const entries = Object.entries(record(json) ?? {}).map(
    ([name, value]) => [name, number(value) ?? 0] as const,
  );
  return entries.sort((one, other) => other[1] - one[1]).map(([name, count]) => [name, count]);
}
