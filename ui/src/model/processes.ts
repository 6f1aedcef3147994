/** The state of every process, from `/api/processes`. */

import { age, count, duration, percent } from "./format.ts";
import { list, number, record, text, texts } from "./json.ts";
import type { Topology } from "./topology.ts";

export type ProcessState = "ready" | "not ready" | "unreachable";

export interface StoreState {
  up: boolean;
  inserts: number;
  /** Milliseconds; undefined without inserts, and beyond the largest bound that is measured. */
  p50: number | undefined;
  p99: number | undefined;
}

export interface QueueState {
  ready: number;
  /** Milliseconds. */
  oldest: number | undefined;
  deadLetters: number;
}

export interface Process {
  name: string;
  /** Its number among the replicas of its service; undefined where it is the only one, or its name has several addresses. */
  replica: number | undefined;
  state: ProcessState;
  reasons: string[];
  version: string | undefined;
  /** Milliseconds since 1970. */
  started: number | undefined;
  restarts: number;
  /** Processors in use. */
  cpu: number | undefined;
  memoryBytes: number | undefined;
  store: StoreState | undefined;
  queue: QueueState | undefined;
}

export function parseProcesses(json: unknown): Process[] | undefined {
  return list(record(json)?.processes)?.flatMap((entry) => parseProcess(entry) ?? []);
}

function parseProcess(json: unknown): Process | undefined {
  const body = record(json);
  const name = text(body?.name);
  if (!body || !name) return undefined;
  const store = record(body.store);
  const queue = record(body.queue);
  return {
    name,
    replica: number(body.replica),
    state: stateOf(body.state),
    reasons: texts(body.reasons),
    version: text(body.version),
    started: number(body.started),
    restarts: number(body.restarts) ?? 0,
    cpu: number(body.cpu),
    memoryBytes: number(body.memoryBytes),
    store: store && {
      up: store.up === true,
      inserts: number(store.inserts) ?? 0,
      p50: milliseconds(store.p50Seconds),
      p99: milliseconds(store.p99Seconds),
    },
    queue: queue && {
      ready: number(queue.ready) ?? 0,
      oldest: milliseconds(queue.oldestSeconds),
      deadLetters: number(queue.deadLetters) ?? 0,
    },
  };
}

function stateOf(json: unknown): ProcessState {
  const state = text(json);
  return state === "ready" || state === "not ready" ? state : "unreachable";
}

function milliseconds(json: unknown): number | undefined {
  const seconds = number(json);
  return seconds === undefined ? undefined : seconds * 1000;
}

/** The replicas of one process. */
export function replicasOf(processes: readonly Process[], name: string): Process[] {
  return processes.filter((process) => process.name === name);
}

/**
 * What is wrong with the whole: `5 of 8 not ready` for services, or another process that is not ready; undefined when all
 * are ready or nothing is known. A service is not ready when any of its replicas is not.
 */
export function troubleOf(processes: readonly Process[], topology: Topology | undefined): string | undefined {
  const names = new Set(topology?.services.map(({ name }) => name));
  const known = new Set(processes.map(({ name }) => name));
  const unready = new Set(processes.filter(({ state }) => state !== "ready").map(({ name }) => name));
  const services = [...known].filter((name) => names.has(name));
  const broken = services.filter((name) => unready.has(name));
  if (broken.length > 0) return `${broken.length} of ${services.length} not ready`;
  const others = [...unready].filter((name) => !names.has(name));
  return others.length > 0 ? `${others.join(", ")} not ready` : undefined;
}

export interface Badge {
  text: string;
  kind: "trouble" | "notice";
  /** For the node's description. */
  title: string;
}

/** The badge of a node: the most important of what its process or its queue reports. */
export function badgeOf(
  node: { id: string; kind: string },
  processes: readonly Process[],
  topology: Topology,
): Badge | undefined {
  if (node.kind === "queue") return queueBadge(queueOf(node.id, processes, topology));
  if (node.kind === "database") return storeBadge(storeOf(node.id, processes, topology));
  const replicas = replicasOf(processes, node.id);
  const unready = replicas.filter(({ state }) => state !== "ready");
  if (unready.length > 0) {
    const all = replicas.length;
    const ready = all > 1 ? `${all - unready.length} of ${all}` : "not";
    const title = unready.flatMap(({ state, reasons }) => [state, ...reasons]).join("; ");
    return { text: `✕ ${ready} ready`, kind: "trouble", title };
  }
  const restarts = replicas.reduce((sum, process) => sum + process.restarts, 0);
  if (restarts === 0) return undefined;
  return { text: `↻ ${restarts}`, kind: "notice", title: `restarted ${count(restarts, "time")}` };
}

function queueBadge(queue: QueueState | undefined): Badge | undefined {
  if (!queue || queue.deadLetters === 0) return undefined;
  const title = count(queue.deadLetters, "dead letter");
  return { text: `✕ ${queue.deadLetters.toLocaleString("en")} dead`, kind: "trouble", title };
}

function storeBadge(store: StoreState | undefined): Badge | undefined {
  return store && !store.up ? { text: "✕ down", kind: "trouble", title: "does not answer" } : undefined;
}

/** The queue's state, as its first consumer reports it. */
export function queueOf(
  id: string,
  processes: readonly Process[],
  topology: Topology,
): QueueState | undefined {
  const consumers = topology.services.filter(({ consumes }) => consumes === id);
  return consumers.flatMap(({ name }) => replicasOf(processes, name)).find(({ queue }) => queue !== undefined)
    ?.queue;
}

/** The state of a database's collection; that of a service that cannot reach it, if there is one. */
export function storeOf(
  id: string,
  processes: readonly Process[],
  topology: Topology,
): StoreState | undefined {
  const writers = topology.services.filter(({ store }) => store === id);
  const states = writers.flatMap(({ name }) =>
    replicasOf(processes, name).flatMap(({ store }) => store ?? []),
  );
  return states.find(({ up }) => !up) ?? states[0];
}

export interface Fact {
  name: string;
  value: string;
  isBad?: boolean;
}

/** The facts of one process. */
export function factsOf(process: Process, now: number): Fact[] {
  const { version, started, restarts, cpu, memoryBytes } = process;
  const facts: [string, string | undefined][] = [
    ["restarts", String(restarts)],
    ["version", version],
    ["started", started === undefined ? undefined : age(now - started)],
    ["CPU", cpu === undefined ? undefined : percent(cpu, 1)],
    ["memory", memoryBytes === undefined ? undefined : `${(memoryBytes / 2 ** 20).toFixed(1)} MiB`],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

export function storeFacts(store: StoreState): Fact[] {
  const facts: Fact[] = [{ name: "answers", value: store.up ? "yes" : "✕ no", isBad: !store.up }];
  if (store.inserts > 0) {
    facts.push({ name: "inserts", value: count(store.inserts, "insert") });
    facts.push({ name: "p50 · p99", value: `${atMost(store.p50)} · ${atMost(store.p99)}` });
  }
  return facts;
}

export function queueFacts({ ready, oldest, deadLetters }: QueueState): Fact[] {
  const isBad = deadLetters > 0;
  return [
    { name: "waiting", value: count(ready, "message") },
    { name: "oldest", value: ready === 0 ? "–" : duration(oldest) },
    { name: "dead letters", value: isBad ? `✕ ${deadLetters.toLocaleString("en")}` : "0", isBad },
  ];
}

/** A bucket's bound; the largest one is 10 s. */
function atMost(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "> 10 s" : `≤ ${duration(milliseconds)}`;
}
