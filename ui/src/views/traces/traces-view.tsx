import { useEffect } from "preact/hooks";
import { age, count, duration, moment } from "../../model/format.ts";
import { link, lookbackWords } from "../../model/route.ts";
import type { TraceSummary } from "../../model/trace-summary.ts";
import { now } from "../../state/mesh.ts";
import { found, query, startSearching } from "../../state/traces.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { Filters } from "./filters.tsx";
import { Opener } from "./opener.tsx";
import { Scatter } from "./scatter.tsx";

export function TracesView() {
  useEffect(startSearching, []);
  const { data, failure, at, isAsking } = found.value;
  return (
    <div class="traces-view" aria-busy={isAsking}>
      <h1>Traces</h1>
      <Opener />
      <Filters />
      {failure && !data && <FailureBox failure={failure} />}
      {failure && data && at !== undefined && <StaleNote failure={failure} age={age(now.value - at)} />}
      <p class="note quiet" role="status">
        {data ? `${count(data.length, "trace")}${full(data.length)}` : isAsking ? "Searching…" : ""}
      </p>
      {data?.length === 0 && <Empty />}
      {data && data.length > 0 && (
        <>
          <Scatter traces={data} />
          <TraceList traces={data} />
        </>
      )}
    </div>
  );
}

function full(length: number): string {
  return length >= query.value.limit ? ", the newest; there may be more" : "";
}

function Empty() {
  const { service, remote, name, tag, min, max, lookback } = query.value;
  const isFiltered = [service, remote, name, tag, min, max].some((filter) => filter !== "");
  return (
    <p class="empty">
      {isFiltered
        ? `No trace of the last ${lookbackWords(lookback)} fits these filters. `
        : `No traces in the last ${lookbackWords(lookback)}: nobody has greeted, or nothing is sampled. `}
      {isFiltered ? <a href="#/traces">Show all traces</a> : <a href="#/greeting">Send a greeting</a>}
    </p>
  );
}

function TraceList({ traces }: { traces: readonly TraceSummary[] }) {
  const slowest = Math.max(...traces.map((trace) => trace.whole), 0.001);
  return (
    <ol class="trace-list">
      {traces.map((trace) => (
        <li key={trace.id}>
          <a href={link("trace", {}, trace.id)} class={trace.errors > 0 ? "failed" : undefined}>
            <span class="title">
              <bdi>{trace.title}</bdi>
            </span>
            <span class="when">{moment(trace.begin, now.value)}</span>
            <span class="took">
              {duration(trace.response)} <span class="quiet">of {duration(trace.whole)}</span>
            </span>
            <span class="size quiet">
              {count(trace.spans, "span")} · {count(trace.services, "service")}
              {trace.isOdd && " · incomplete"}
              {trace.errors > 0 && (
                <span class="trouble">
                  {" · "}
                  <span aria-hidden="true">✕ </span>
                  {count(trace.errors, "error")}
                </span>
              )}
            </span>
            <code class="id quiet">{trace.id}</code>
            <span class="lengths" aria-hidden="true">
              <span class="whole" style={{ width: `${(trace.whole / slowest) * 100}%` }} />
              <span class="response" style={{ width: `${((trace.response ?? 0) / slowest) * 100}%` }} />
            </span>
          </a>
        </li>
      ))}
    </ol>
  );
}
