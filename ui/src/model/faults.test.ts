import { describe, expect, test } from "vitest";
import { addressOf, effectsAt, type Fault, faultLine, parseFaults, timeLeft } from "./faults.ts";
import { toGraph } from "./topology.ts";

const NOW = 1_000_000;

function fault(text: string, more: Partial<Fault> = {}): Fault {
  return { fault: text, source: "admin", until: NOW + 61_000, acted: 0, ...more };
}

const draft = { at: "a>b", effect: "abort", value: "ABORTED", share: "10%", seconds: 300 };

describe("the gateway's response", () => {
  test("is read with the difference between both clocks", () => {
    const state = parseFaults(
      {
        available: true,
        needsToken: false,
        at: Date.parse("2026-01-01T00:00:00Z"),
        faults: [
          { fault: "at=a drop=true", source: "admin", until: "2026-01-01T00:01:00Z", acted: 3, processes: 9 },
          { fault: "at=b drop=true", source: "file", until: null, acted: 0, processes: 9 },
        ],
        failed: [
          { process: "c", replica: 2, reason: "gone" },
          { process: "d", reason: "late" },
        ],
      },
      NOW,
    );
    expect(state).toEqual({
      available: true,
      reason: "",
      needsToken: false,
      faults: [
        { fault: "at=a drop=true", source: "admin", until: NOW + 60_000, acted: 3 },
        { fault: "at=b drop=true", source: "file", until: undefined, acted: 0 },
      ],
      failed: ["c#2: gone", "d: late"],
    });
  });

  test("of another form is refused", () => {
    for (const json of [null, [], {}, { faults: [{}] }, { faults: [{ fault: 1, source: "admin" }] }]) {
      expect(parseFaults(json, NOW)).toBeUndefined();
    }
  });
});

describe("the form", () => {
  const graph = toGraph({
    entry: "a",
    order: ["a", "b"],
    services: [
      { name: "a", greeting: "", calls: ["b"], store: undefined, publishes: "q", consumes: undefined },
      { name: "b", greeting: "", calls: [], store: "d.c", publishes: undefined, consumes: "q" },
    ],
  });

  test("has the address of the selected node or edge, if a fault can act there", () => {
    const addresses = [
      "a",
      "gateway>a",
      "a>b",
      "b>d.c",
      "a>q",
      "q>b",
      "gateway",
      "q",
      "d.c",
      "z",
      undefined,
    ].map((id) => addressOf(id, graph));
    expect(addresses).toEqual(["a", "gateway>a", "a>b", "b>store", "a>queue", "", "", "", "", "", ""]);
  });

  test("offers the effects that can act at the address", () => {
    const names = (address: string) => effectsAt(address).map(([effect]) => effect);
    expect(names("a")).toContain("crash");
    expect(names("a>b")).toEqual(["abort", "delay", "lose", "drop", "reset", "throttle"]);
    expect(names("a>store")).toEqual(["abort", "delay", "lose", "drop"]);
    expect(names("a>queue")).toContain("duplicate");
  });

  test("quotes a value with spaces and leaves out a share of all", () => {
    expect(faultLine(draft)).toBe("at=a>b abort=ABORTED share=10% for=300s");
    const percentiles = { ...draft, effect: "delay", value: "p50=1ms p90=2ms p99=3ms", share: "100%" };
    expect(faultLine(percentiles)).toBe('at=a>b delay="p50=1ms p90=2ms p99=3ms" for=300s');
  });
});

test("the time left counts down to zero", () => {
  const at = (left: number) => timeLeft(fault("", { until: NOW + left }), NOW);
  expect([3_725_000, 61_000, 59_100, 1, -5_000].map(at)).toEqual(["1:02:05", "1:01", "1:00", "0:01", "0:00"]);
  expect(timeLeft(fault("", { until: undefined }), NOW)).toBe("");
});
