/** The traces that the filters find, and the names to filter by. */

import { computed, effect, signal } from "@preact/signals";
import { asFailure, ask } from "../client/ask.ts";
import { log } from "../client/log.ts";
import { texts } from "../model/json.ts";
import { link } from "../model/route.ts";
import { problems, readTraceQuery, searchPath } from "../model/trace-query.ts";
import { summarise, type TraceSummary } from "../model/trace-summary.ts";
import { parseTraces, type Span } from "../model/zipkin.ts";
import { api } from "./api.ts";
import { fill, newFeed, reset } from "./feed.ts";
import { route } from "./route.ts";

export const found = newFeed<TraceSummary[]>();
export const services = signal<string[]>([]);
export const spanNames = signal<string[]>([]);

/** A trace that was opened from a file, by its id. */
export const opened = signal<ReadonlyMap<string, Span[]>>(new Map());

let lastFilters: Readonly<Record<string, string>> = {};

/** The filters in the address; while another view is shown, those of the last time. */
const filters = computed(() => {
  if (route.value?.view === "traces") lastFilters = route.value.query;
  return lastFilters;
});

export const query = computed(() => readTraceQuery(filters.value));

/** The way back to the list as it was. */
export const backToTraces = computed(() => link("traces", filters.value));

/** Counted up to search again with the same filters. */
const turn = signal(0);

export function searchAgain(): void {
  turn.value += 1;
}

/** What `found` is the answer to. */
let question = "";

/** Searches as long as Traces is shown, and anew when its filters change. Answers how to stop. */
export function startSearching(): () => void {
  const asked = computed(() => (problems(query.value).length === 0 ? searchPath(query.value) : undefined));
  const stops = [
    effect(() => {
      const base = api.value;
      const path = asked.value;
      void turn.value;
      const aborted = new AbortController();
      // What was found before stays only where it answers the same question.
      if (path === undefined || question !== base + path) reset(found);
      question = base + (path ?? "");
      if (path !== undefined) {
        void fill(found, { base, path, parse: parseSummaries, signal: aborted.signal });
      }
      return () => aborted.abort();
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
  const traces = parseTraces(json)?.map(summarise);
  return traces?.filter((summary) => summary !== undefined).sort((one, other) => other.begin - one.begin);
}

/** Names are a help: without them the fields still take what is typed. */
function suggest(into: { value: string[] }, base: string, path: string): () => void {
  const aborted = new AbortController();
  ask({
    base,
    path,
    parse: (json) => (Array.isArray(json) ? texts(json) : undefined),
    signal: aborted.signal,
  })
    .then(({ body }) => {
      into.value = body;
    })
    .catch((error: unknown) => {
      if (!aborted.signal.aborted) log.info("no names", asFailure(error, base + path).message);
    });
  return () => aborted.abort();
}

/** Takes a trace from a file, and shows it. */
export function open(spans: Span[]): void {
  const id = spans[0]?.traceId;
  if (id === undefined) return;
  opened.value = new Map(opened.value).set(id, spans);
  location.hash = link("trace", {}, id);
}
