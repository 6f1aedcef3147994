import { expect, test } from "vitest";
import { parseScenarios, place, type Report, steps } from "./scenarios.ts";

const step = (what: string, fromMs: number, untilMs: number | null) => ({
  kind: "fault",
  what,
  fromMs,
  untilMs,
  acted: null,
  problems: [],
});

function report(changes: Record<string, unknown>): Report {
  const run = {
    id: "1",
    plan: { scenario: "x" },
    state: "running",
    report: { lastingMs: 10_000, ...changes },
  };
  const parsed = parseScenarios({ available: true, scenarios: [], run })?.run?.report;
  if (!parsed) throw new Error("not parsed");
  return parsed;
}

test("JSON of another form is no answer, and unknown outcomes and verdicts are not judged", () => {
  for (const json of [undefined, null, [], "x", {}, { available: "yes" }]) {
    expect(parseScenarios(json)).toBeUndefined();
  }
  const run = { id: "1", plan: { scenario: "x" }, state: "exploded" };
  expect(parseScenarios({ available: true, run })?.run, "an unknown state").toBeUndefined();
  const odd = report({
    verdict: "splendid",
    expectations: [{ when: "end", expected: "a", outcome: "?" }, 7],
    seconds: ["x"],
    ledger: {},
  });
  expect(odd.verdict).toBeUndefined();
  expect(odd.expectations.map(({ outcome }) => outcome)).toEqual([undefined, undefined]);
  expect(odd.seconds).toEqual([{ second: 0, requests: 0, failed: 0, p99: undefined }]);
  expect(odd.ledger).toEqual([]);
});

test("a planned step gives way to what took place, each once, in the order of their starts", () => {
  const planned = [step("poison", 5_000, 5_000), step("poison", 6_000, 6_000), step("delay", 1_000, 2_000)];
  const shown = steps(report({ planned, ledger: [step("poison", 5_020, 5_021)] }));
  expect(shown.map(({ step: { what, from }, isPlanned }) => [what, from, isPlanned])).toEqual([
    ["delay", 1_000, true],
    ["poison", 5_020, false],
    ["poison", 6_000, true],
  ]);
});

test("what still lasts ends now, and nothing is beyond the timeline", () => {
  const running = report({ elapsedMs: 6_000 });
  expect(place({ from: 5_000, until: undefined }, running)).toEqual({ left: 50, width: 10 });
  expect(place({ from: 9_000, until: 20_000 }, running)).toEqual({ left: 90, width: 10 });
  expect(place({ from: 5_000, until: 5_000 }, running), "a moment is visible").toEqual({
    left: 50,
    width: 0.5,
  });
  expect(place({ from: 12_000, until: 13_000 }, running)).toEqual({ left: 100, width: 0 });
  expect(place({ from: 1, until: 2 }, report({ lastingMs: 0 })).left).toBe(0);
});
