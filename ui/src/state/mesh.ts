/** Topology, edge metrics and gateway health, polled while the page is visible. */

import { computed, effect, signal } from "@preact/signals";
import { record, text } from "../model/json.ts";
import { type Mesh, parseMesh, withMetrics } from "../model/mesh.ts";
import { type Process, parseProcesses, troubleOf } from "../model/processes.ts";
import { LOOKBACKS, lookbackName } from "../model/route.ts";
import { parseTopology, type Topology, toGraph } from "../model/topology.ts";
import { api } from "./api.ts";
import { fetchInto, newFeed, reset } from "./feed.ts";
import { poll } from "./poll.ts";
import { route } from "./route.ts";

/** Milliseconds from one refresh to the next. */
export const REFRESH_MS = 5_000;

/** Milliseconds from a response to the next refresh, at least: a gateway that is slow is not asked without a pause. */
const PAUSE_MS = 1_000;

/** Milliseconds between two fetches of the topology, which changes only with a deployment. */
const TOPOLOGY_MS = 60_000;

export interface Health {
  service: string;
  /** gRPC health status: SERVING, NOT_SERVING, or UNKNOWN when the check failed. */
  status: string;
  reason: string;
}

export const topology = newFeed<Topology>();
export const mesh = newFeed<Mesh>();
export const health = newFeed<Health>();

/** Every process; empty where the gateway knows no admin addresses. */
export const processes = newFeed<Process[]>();

/** What is wrong with the processes, in a few words. */
export const trouble = computed(() => troubleOf(processes.value.data ?? [], topology.value.data));

/** The current time, updated each second while the page is visible. */
export const now = signal(Date.now());

export const lookback = computed(() => {
  const current = route.value;
  return lookbackName(current?.view === "mesh" ? current.query : {}, "1m");
});

const graph = computed(() => (topology.value.data ? toGraph(topology.value.data) : undefined));

/** The graph with its metrics, once the topology is loaded. */
export const measuredGraph = computed(() => graph.value && withMetrics(graph.value, mesh.value.data));

let refreshNow = () => {};

/** Fetches the metrics now instead of at the next interval. */
export function refresh(): void {
  refreshNow();
}

/** Starts polling, and restarts it when the gateway's address or the lookback changes. */
export function startFeeds(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1_000);
  effect(() => {
    const base = api.value;
    const abort = new AbortController();
    for (const feed of [topology, health, processes]) reset<unknown>(feed as never);
    const polling = poll(() => fetchGateway(base, abort.signal), pause);
    return () => {
      abort.abort();
      polling.stop();
    };
  });
  effect(() => {
    const base = api.value;
    const name = lookback.value;
    const abort = new AbortController();
    reset(mesh);
    const path = `/api/mesh?lookback=${LOOKBACKS[name] ?? 60_000}`;
    const polling = poll(
      () => fetchInto(mesh, { base, path, parse: parseMesh, signal: abort.signal }),
      pause,
    );
    refreshNow = polling.now;
    return () => {
      abort.abort();
      polling.stop();
    };
  });
}

function pause(took: number): number {
  return Math.max(REFRESH_MS - took, PAUSE_MS);
}

async function fetchGateway(base: string, signal: AbortSignal): Promise<void> {
  const { data, at = 0, failure } = topology.peek();
  // A gateway that was down may come back with another topology.
  const isOld = Date.now() - at > TOPOLOGY_MS || health.peek().failure !== undefined;
  const fetches = [
    fetchInto(health, { base, path: "/api/health", parse: parseHealth, signal }),
    fetchInto(processes, { base, path: "/api/processes", parse: parseProcesses, signal }),
  ];
  if (!data || failure || isOld) {
    fetches.push(fetchInto(topology, { base, path: "/api/topology", parse: parseTopology, signal }));
  }
  await Promise.all(fetches);
}

function parseHealth(json: unknown): Health | undefined {
  const entry = record(record(json)?.entry);
  const service = text(entry?.service);
  const status = text(entry?.status);
  return service && status ? { service, status, reason: text(entry?.reason) ?? "" } : undefined;
}

/** Whether two refreshes were missed. */
export function isStale(at: number | undefined, moment: number): boolean {
  return at !== undefined && moment - at > REFRESH_MS * 2 + 1_000;
}
