/** The gateway's scenarios and their last run, from `/api/scenarios`. */

import { list, number, record, text, texts } from "./json.ts";
import { type RunState, runState } from "./load-runs.ts";

export interface Scenario {
  name: string;
  title: string;
  /** The length of its load. */
  seconds: number;
  /** Why it cannot run against this mesh; empty if it can. */
  refused: string[];
}

/** A part of the run, in milliseconds after its start. */
export interface Span {
  from: number;
  /** Undefined while it lasts. */
  until: number | undefined;
}

export interface Phase extends Span {
  when: string;
}

/** A fault or an action. */
export interface Step extends Span {
  kind: string;
  what: string;
  acted: number | undefined;
  problems: string[];
}

const OUTCOMES = ["held", "broken", "skipped", "unjudged"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Expectation {
  when: string;
  expected: string;
  /** Undefined until the end. */
  outcome: Outcome | undefined;
  measured: string | undefined;
  firstBadSecond: number | undefined;
  traces: string[];
}

export interface Second {
  second: number;
  requests: number;
  failed: number;
  p99: number | undefined;
}

export interface Report {
  title: string;
  /** `starting`, `running`, `judging`, `done` or `stopped`. */
  state: string;
  /** Milliseconds; undefined before the load. */
  elapsed: number | undefined;
  lasting: number;
  phases: Phase[];
  planned: Step[];
  ledger: Step[];
  expectations: Expectation[];
  seconds: Second[];
  verdict: "held" | "broken" | "unjudged" | undefined;
  reason: string | undefined;
}

export interface Run {
  id: string;
  scenario: string;
  state: RunState;
  failure: string | undefined;
  report: Report | undefined;
}

export interface Scenarios {
  /** Whether this page may start scenarios. */
  available: boolean;
  reason: string | undefined;
  scenarios: Scenario[];
  run: Run | undefined;
}

export function parseScenarios(json: unknown): Scenarios | undefined {
  const answer = record(json);
  if (typeof answer?.available !== "boolean") return undefined;
  return {
    available: answer.available,
    reason: text(answer.reason),
    scenarios: (list(answer.scenarios) ?? []).map(parseScenario),
    run: parseRun(answer.run),
  };
}

function parseScenario(json: unknown): Scenario {
  const row = record(json) ?? {};
  return {
    name: text(row.name) ?? "",
    title: text(row.title) ?? "",
    seconds: number(row.seconds) ?? 0,
    refused: texts(row.refused),
  };
}

function parseRun(json: unknown): Run | undefined {
  const run = record(json);
  const id = text(run?.id);
  const state = runState(run?.state);
  const scenario = text(record(run?.plan)?.scenario);
  if (!run || !id || !state || !scenario) return undefined;
  return { id, scenario, state, failure: text(run.failure), report: parseReport(run.report) };
}

function parseReport(json: unknown): Report | undefined {
  const report = record(json);
  if (!report) return undefined;
  const verdict = text(report.verdict);
  return {
    title: text(report.title) ?? "",
    state: text(report.state) ?? "",
    elapsed: number(report.elapsedMs),
    lasting: number(report.lastingMs) ?? 0,
    phases: (list(report.windows) ?? []).map((item) => ({
      ...parseSpan(item),
      when: text(record(item)?.when) ?? "",
    })),
    planned: (list(report.planned) ?? []).map(parseStep),
    ledger: (list(report.ledger) ?? []).map(parseStep),
    expectations: (list(report.expectations) ?? []).map(parseExpectation),
    seconds: (list(report.seconds) ?? []).map(parseSecond),
    verdict: verdict === "held" || verdict === "broken" || verdict === "unjudged" ? verdict : undefined,
    reason: text(report.reason),
  };
}

function parseSpan(json: unknown): Span {
  const span = record(json) ?? {};
  return { from: number(span.fromMs) ?? 0, until: number(span.untilMs) };
}

function parseStep(json: unknown): Step {
  const step = record(json) ?? {};
  return {
    ...parseSpan(step),
    kind: text(step.kind) ?? "",
    what: text(step.what) ?? "",
    acted: number(step.acted),
    problems: texts(step.problems),
  };
}

function parseExpectation(json: unknown): Expectation {
  const row = record(json) ?? {};
  return {
    when: text(row.when) ?? "",
    expected: text(row.expected) ?? "",
    outcome: OUTCOMES.find((known) => known === row.outcome),
    measured: text(row.measured),
    firstBadSecond: number(row.firstBadSecond),
    traces: texts(row.traces),
  };
}

function parseSecond(json: unknown): Second {
  const row = record(json) ?? {};
  return {
    second: number(row.second) ?? 0,
    requests: number(row.requests) ?? 0,
    failed: number(row.failed) ?? 0,
    p99: number(row.p99Ms),
  };
}

/** The steps in the order of their starts: what took place, and what is still planned. */
export function steps({ ledger, planned }: Report): { step: Step; isPlanned: boolean }[] {
  const open = [...planned];
  for (const { kind, what } of ledger) {
    const index = open.findIndex((step) => step.kind === kind && step.what === what);
    if (index >= 0) open.splice(index, 1);
  }
  const all = [
    ...ledger.map((step) => ({ step, isPlanned: false })),
    ...open.map((step) => ({ step, isPlanned: true })),
  ];
  return all.sort((one, other) => one.step.from - other.step.from);
}

/** Where a span is on the timeline, in percent. What still lasts ends now; a moment is still visible. */
export function place({ from, until }: Span, { lasting, elapsed }: Report): { left: number; width: number } {
  const percent = (at: number) => (lasting > 0 ? Math.min(Math.max((at / lasting) * 100, 0), 100) : 0);
  const left = percent(from);
  return { left, width: Math.max(percent(until ?? elapsed ?? from) - left, Math.min(0.5, 100 - left)) };
}
