/** The search in Traces: its results, and suggestions for its filters. */

import { computed, effect, signal } from "@preact/signals";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { log } from "../client/log.ts";
import { texts } from "../model/json.ts";
import { type Mesh, parseMesh } from "../model/mesh.ts";
import { LOOKBACKS, link } from "../model/route.ts";
import { problems, readTraceQuery, searchPath } from "../model/trace-query.ts";
import { readOrder } from "../model/trace-sort.ts";
import { summarize, type TraceSummary } from "../model/trace-summary.ts";
import { parseTraces, type Span } from "../model/zipkin.ts";
import { api } from "./api.ts";
import { fetchInto, newFeed, reset } from "./feed.ts";
import { REFRESH_MS } from "./mesh.ts";
import { route } from "./route.ts";

export const results = newFeed<TraceSummary[]>();
/** How many of the traces that arrived are stored. */
export const stored = newFeed<Mesh>();
export const services = signal<string[]>([]);
export const spanNames = signal<string[]>([]);

/** Traces that were opened from files, by id. */
export const openedFiles = signal<ReadonlyMap<string, Span[]>>(new Map());

let lastFilters: Readonly<Record<string, string>> = {};

/** The filters in the URL; in other views, the last ones. */
const filters = computed(() => {
  if (route.value?.view === "traces") lastFilters = route.value.query;
  return lastFilters;
});

export const order = computed(() => readOrder(filters.value.sort));

/** Whether the search is repeated every few seconds. */
export const isRefreshing = computed(() => filters.value.refresh === "on");

export const query = computed(() => readTraceQuery(filters.value));

/** Link back to the list with its filters. */
export const backToTraces = computed(() => link("traces", filters.value));

/** Incremented to search again with the same filters. */
const searches = signal(0);

export function searchAgain(): void {
  searches.value += 1;
}

/** The URL that `results` came from. */
let resultsUrl = "";

/** Searches while Traces is shown, and again when its filters change. Returns a function that stops it. */
export function startSearch(): () => void {
  const searched = computed(() => (problems(query.value).length === 0 ? searchPath(query.value) : undefined));
  const stops = [
    effect(() => {
      const base = api.value;
      const path = searched.value;
      void searches.value;
      const abort = new AbortController();
      // Earlier results stay only for the same search.
      if (path === undefined || resultsUrl !== base + path) reset(results);
      resultsUrl = base + (path ?? "");
      if (path !== undefined) {
        void fetchInto(results, { base, path, parse: parseSummaries, signal: abort.signal });
      }
      return () => abort.abort();
    }),
    effect(() => {
      const base = api.value;
      const path = `/api/mesh?lookback=${LOOKBACKS[query.value.lookback] ?? LOOKBACKS["15m"]}`;
      void searches.value;
      const abort = new AbortController();
      void fetchInto(stored, { base, path, parse: parseMesh, signal: abort.signal });
      return () => abort.abort();
    }),
    effect(() => {
      if (!isRefreshing.value) return undefined;
      const timer = setInterval(() => {
        if (!document.hidden && !results.peek().isLoading) searchAgain();
      }, REFRESH_MS);
      return () => clearInterval(timer);
    }),
    effect(() => {
      return suggest(services, api.value, "/zipkin/api/v2/services");
    }),
    effect(() => {
      const base = api.value;
      const { service } = query.value;
      if (service === "") {
        spanNames.value = [];
        return undefined;
      }
      return suggest(spanNames, base, `/zipkin/api/v2/spans?serviceName=${encodeURIComponent(service)}`);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function parseSummaries(json: unknown): TraceSummary[] | undefined {
  const traces = parseTraces(json)?.map(summarize);
  return traces?.filter((summary) => summary !== undefined);
}

/** Suggestions are optional: without them the fields still accept any text. */
function suggest(into: { value: string[] }, base: string, path: string): () => void {
  const abort = new AbortController();
  fetchJson({
    base,
    path,
    parse: (json) => (Array.isArray(json) ? texts(json) : undefined),
    signal: abort.signal,
  })
    .then(({ body }) => {
      into.value = body;
    })
    .catch((error: unknown) => {
      if (!abort.signal.aborted) log.info("no suggestions", toFailure(error, base + path).message);
    });
  return () => abort.abort();
}

/** Keeps a trace from a file, and shows it. */
export function openFile(spans: Span[]): void {
  const id = spans[0]?.traceId;
  if (id === undefined) return;
  openedFiles.value = new Map(openedFiles.value).set(id, spans);
  location.hash = link("trace", {}, id);
}
