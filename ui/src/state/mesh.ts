/** The declared graph, its figures and the gateway's health: asked for every few seconds while somebody looks. */

import { computed, effect, signal } from "@preact/signals";
import { record, text } from "../model/json.ts";
import { type Mesh, parseMesh, pictureOf } from "../model/mesh.ts";
import { LOOKBACKS, lookbackName } from "../model/route.ts";
import { graphOf, parseTopology, type Topology } from "../model/topology.ts";
import { api } from "./api.ts";
import { fill, newFeed, reset } from "./feed.ts";
import { route } from "./route.ts";

/** Milliseconds between two questions. */
export const REFRESH_MS = 5_000;

/** Milliseconds after which the graph is asked for again: it changes with an installation. */
const GRAPH_MS = 60_000;

export interface Health {
  service: string;
  /** gRPC health's word: SERVING, NOT_SERVING, or UNKNOWN where it cannot be asked. */
  status: string;
  reason: string;
}

export const topology = newFeed<Topology>();
export const mesh = newFeed<Mesh>();
export const health = newFeed<Health>();

/** Moves on while the page is seen, so that ages do. */
export const now = signal(Date.now());

export const lookback = computed(() => {
  const shown = route.value;
  return lookbackName(shown?.view === "mesh" ? shown.query : {}, "1m");
});

const graph = computed(() => (topology.value.data ? graphOf(topology.value.data) : undefined));

/** The graph with its figures, as soon as the graph is known. */
export const picture = computed(() => graph.value && pictureOf(graph.value, mesh.value.data));

let refreshNow = () => {};

/** Asks at once, and not only when the time has come. */
export function refresh(): void {
  refreshNow();
}

/** Begins to ask, and asks anew whenever the address or the window changes. */
export function startFeeds(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1_000);
  effect(() => {
    const base = api.value;
    const aborted = new AbortController();
    for (const feed of [topology, health]) reset<unknown>(feed as never);
    const watched = watch(() => askGateway(base, aborted.signal));
    return () => {
      aborted.abort();
      watched.stop();
    };
  });
  effect(() => {
    const base = api.value;
    const window = lookback.value;
    const aborted = new AbortController();
    reset(mesh);
    const path = `/api/mesh?lookback=${LOOKBACKS[window] ?? 60_000}`;
    const watched = watch(() => fill(mesh, { base, path, parse: parseMesh, signal: aborted.signal }));
    refreshNow = watched.now;
    return () => {
      aborted.abort();
      watched.stop();
    };
  });
}

async function askGateway(base: string, signal: AbortSignal): Promise<void> {
  const { data, at = 0, failure } = topology.peek();
  // A gateway that was away may have come back with another graph.
  const isOld = Date.now() - at > GRAPH_MS || health.peek().failure !== undefined;
  const asked = [fill(health, { base, path: "/api/health", parse: parseHealth, signal })];
  if (!data || failure || isOld) {
    asked.push(fill(topology, { base, path: "/api/topology", parse: parseTopology, signal }));
  }
  await Promise.all(asked);
}

/** Does `work` now and then: one at a time, not while the page is hidden, and at once when it is seen again. */
function watch(work: () => Promise<void>): { stop: () => void; now: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let isUnderWay = false;
  const turn = async () => {
    clearTimeout(timer);
    if (isUnderWay || isStopped) return;
    if (!document.hidden) {
      isUnderWay = true;
      await work();
      isUnderWay = false;
    }
    if (!isStopped) timer = setTimeout(turn, REFRESH_MS);
  };
  const seen = () => {
    if (!document.hidden) void turn();
  };
  document.addEventListener("visibilitychange", seen);
  void turn();
  return {
    now: () => void turn(),
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

function parseHealth(json: unknown): Health | undefined {
  const entry = record(record(json)?.entry);
  const service = text(entry?.service);
  const status = text(entry?.status);
  return service && status ? { service, status, reason: text(entry?.reason) ?? "" } : undefined;
}

/** Whether what is shown is older than two refreshes. */
export function isStale(at: number | undefined, moment: number): boolean {
  return at !== undefined && moment - at > REFRESH_MS * 2 + 1_000;
}
