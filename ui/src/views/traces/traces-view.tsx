import { useEffect } from "preact/hooks";
import { age, count, duration } from "../../model/format.ts";
import { link, lookbackText } from "../../model/route.ts";
import { moment, timeZone } from "../../model/time.ts";
import { sortTraces } from "../../model/trace-sort.ts";
import type { TraceSummary } from "../../model/trace-summary.ts";
import { now } from "../../state/mesh.ts";
import { refine, route } from "../../state/route.ts";
import { order, query, results, startSearch, stored } from "../../state/traces.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { Filters } from "./filters.tsx";
import { OpenTrace } from "./open-trace.tsx";
import { Scatter } from "./scatter.tsx";

export function TracesView() {
  useEffect(startSearch, []);
  const { data, failure, at, isLoading } = results.value;
  return (
    <div class="traces-view" aria-busy={isLoading}>
      <h1>Traces</h1>
      <OpenTrace />
      <Filters />
      {failure && !data && <FailureBox failure={failure} />}
      {failure && data && at !== undefined && <StaleNote failure={failure} age={age(now.value - at)} />}
      <p class="note quiet" role="status">
        {data
          ? `${count(data.length, "trace")}${limitNote(data.length)}.${keptNote()} Times are in ${timeZone(now.value)}.`
          : isLoading
            ? "Searching…"
            : ""}
        <Comparison />
      </p>
      {data?.length === 0 && <Empty />}
      {data && data.length > 0 && (
        <>
          <Scatter traces={data} />
          <TraceList traces={sortTraces(data, order.value)} />
        </>
      )}
    </div>
  );
}

function limitNote(length: number): string {
  return length >= query.value.limit ? ", the limit; only the newest are shown" : "";
}

/** How many of the traces of the time range are stored; empty when the backend does not say. */
function keptNote(): string {
  const { data } = stored.value;
  if (data?.kept === undefined || data.traces === 0) return "";
  const { kept, traces } = data;
  const rest = kept < traces ? "; of the others only their edges' counts are kept" : "";
  return ` ${kept.toLocaleString("en")} of ${count(traces, "trace")} in the last ${lookbackText(query.value.lookback)} are kept${rest}.`;
}

function Empty() {
  const { service, remote, name, tag, min, max, lookback } = query.value;
  const isFiltered = [service, remote, name, tag, min, max].some((filter) => filter !== "");
  return (
    <p class="empty">
      {isFiltered
        ? `No traces in the last ${lookbackText(lookback)} match these filters. `
        : `No traces in the last ${lookbackText(lookback)}: there was no traffic, or it was not sampled. `}
      {isFiltered ? <a href="#/traces">Show all traces</a> : <a href="#/greeting">Send a greeting</a>}
    </p>
  );
}

/** The traces selected for comparison, at most two. */
function pickedIds(): string[] {
  return (route.value?.query.pick ?? "").split(",").filter((id) => id !== "");
}

/** Selects or deselects a trace; a third one replaces the second. */
function pick(id: string): void {
  const picked = pickedIds();
  const next = picked.includes(id) ? picked.filter((other) => other !== id) : [...picked.slice(0, 1), id];
  refine({ pick: next.join(",") });
}

function Comparison() {
  const [one, other] = pickedIds();
  if (!one) return null;
  return (
    <span>
      {" "}
      {other ? (
        <a href={link("compare", { with: other }, one)}>Compare the two selected traces</a>
      ) : (
        "Select a second trace to compare."
      )}
    </span>
  );
}

function TraceList({ traces }: { traces: readonly TraceSummary[] }) {
  const picked = pickedIds();
  const slowest = Math.max(...traces.map((trace) => trace.total), 0.001);
  return (
    <ol class="trace-list">
      {traces.map((trace) => (
        <li key={trace.id}>
          <input
            type="checkbox"
            aria-label="Select for comparison"
            checked={picked.includes(trace.id)}
            onChange={() => pick(trace.id)}
          />
          <a href={link("trace", {}, trace.id)} class={trace.errors > 0 ? "failed" : undefined}>
            <span class="title">
              <bdi>{trace.title}</bdi>
            </span>
            <span class="when">{moment(trace.start, now.value)}</span>
            <span class="took">
              {duration(trace.responseTime)} <span class="quiet">of {duration(trace.total)}</span>
            </span>
            <span class="size quiet">
              {count(trace.spans, "span")} · {count(trace.services, "service")}
              {trace.isIncomplete && " · incomplete"}
              {trace.isSkewed && " · clock skew"}
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
              <span class="whole" style={{ width: `${(trace.total / slowest) * 100}%` }} />
              <span class="response" style={{ width: `${((trace.responseTime ?? 0) / slowest) * 100}%` }} />
            </span>
          </a>
        </li>
      ))}
    </ol>
  );
}
