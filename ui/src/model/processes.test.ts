import { expect, test } from "vitest";
import { badgeOf, factsOf, parseProcesses, queueOf, storeFacts, storeOf, troubleOf } from "./processes.ts";
import type { Topology } from "./topology.ts";

const service = (name: string, more: object = {}) => ({
  name,
  greeting: "",
  calls: [],
  store: undefined,
  publishes: undefined,
  consumes: undefined,
  ...more,
});

const TOPOLOGY: Topology = {
  entry: "a",
  order: ["a"],
  services: [service("a"), service("c", { store: "c.greetings" }), service("f", { consumes: "mail" })],
};

const processes = (...entries: object[]) => parseProcesses({ processes: entries }) ?? [];
const ready = (name: string, more: object = {}) => ({ name, state: "ready", reasons: [], ...more });

test("the header counts the services that are not ready, and names other processes", () => {
  const trouble = (...entries: object[]) => troubleOf(processes(...entries), TOPOLOGY);
  const waiting = { name: "c", state: "not ready", reasons: ["store: gone"] };
  expect(trouble(ready("a"), waiting, { name: "f", state: "unreachable" })).toBe("2 of 3 not ready");
  expect(trouble(ready("a"), ready("c"), { name: "collector", state: "unreachable" })).toBe(
    "collector not ready",
  );
  expect(trouble(ready("a"), waiting, waiting)).toBe("1 of 2 not ready");
  expect(trouble(ready("a"))).toBeUndefined();
  expect(trouble()).toBeUndefined();
});

test("a node's badge shows the most important of what its process reports", () => {
  const badge = (id: string, kind: string, ...entries: object[]) =>
    badgeOf({ id, kind }, processes(...entries), TOPOLOGY);
  const waiting = { name: "c", state: "not ready", reasons: ["store: gone"], restarts: 3 };
  expect(badge("c", "service", waiting)).toEqual({
    text: "✕ not ready",
    kind: "trouble",
    title: "not ready; store: gone",
  });
  expect(badge("c", "service", waiting, ready("c"))?.text).toBe("✕ 1 of 2 ready");
  expect(badge("c", "service", ready("c", { restarts: 2 }))?.text).toBe("↻ 2");
  expect(badge("c", "service", ready("c"))).toBeUndefined();
  const queue = { ready: 4, oldestSeconds: 7, deadLetters: 12 };
  expect(badge("mail", "queue", ready("f", { queue }))?.text).toBe("✕ 12 dead");
  expect(badge("mail", "queue", ready("f", { queue: { ...queue, deadLetters: 0 } }))).toBeUndefined();
  expect(badge("c.greetings", "database", ready("c", { store: { up: false, inserts: 0 } }))?.text).toBe(
    "✕ down",
  );
});

test("figures of stores and queues have units, and unknown ones are absent", () => {
  const [c, f] = processes(
    ready("c", {
      cpu: 0.25,
      memoryBytes: 3 * 2 ** 20,
      started: 0,
      store: { up: true, inserts: 9, p50Seconds: 0.001 },
    }),
    ready("f", { queue: { ready: 4, oldestSeconds: 7, deadLetters: 0 } }),
  );
  if (!c || !f) throw new Error("two processes");
  expect(factsOf(c, 61_000)).toEqual([
    { name: "restarts", value: "0" },
    { name: "started", value: "61 s ago" },
    { name: "CPU", value: "25 %" },
    { name: "memory", value: "3.0 MiB" },
  ]);
  const store = storeOf("c.greetings", [c, f], TOPOLOGY);
  expect(store && storeFacts(store)).toContainEqual({ name: "p50 · p99", value: "≤ 1.0 ms · > 10 s" });
  expect(queueOf("mail", [c, f], TOPOLOGY)).toEqual({ ready: 4, oldest: 7_000, deadLetters: 0 });
});

test("what is not a list is not read, and odd entries are left out", () => {
  expect(parseProcesses({})).toBeUndefined();
  expect(processes({ state: "ready" }, ready("a", { restarts: "many" }))).toMatchObject([
    { name: "a", restarts: 0 },
  ]);
});
