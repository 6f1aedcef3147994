import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { age, count } from "../../model/format.ts";
import { type MeasuredGraph, type Mesh, windowSeconds } from "../../model/mesh.ts";
import { type Badge, badgeOf, type Process } from "../../model/processes.ts";
import { LOOKBACKS, lookbackText } from "../../model/route.ts";
import { readThresholds, type Thresholds } from "../../model/severity.ts";
import { zonedMoment } from "../../model/time.ts";
import { formatZoom, limited, readZoom, STEP, type Zoom } from "../../model/zoom.ts";
import { greeting } from "../../state/greeting.ts";
import { lookback, measuredGraph, mesh, now, processes, REFRESH_MS, topology } from "../../state/mesh.ts";
import { refine, route } from "../../state/route.ts";
import { Outcome, SendButton } from "../greeting/send-button.tsx";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { Lazy } from "../shell/lazy.tsx";
import { MeshGraph } from "./graph.tsx";
import { MeshTable } from "./mesh-table.tsx";
import { Panel } from "./panel.tsx";

/** Milliseconds without a change until the zoom is stored: browsers limit how often the URL may change. */
const STORE_MS = 200;

const loadFaults = () => import("./faults.tsx").then(({ Faults }) => Faults);

export function MeshView() {
  const query = route.value?.query ?? {};
  const isTable = query.as === "table";
  const graph = measuredGraph.value;
  const measured = mesh.value.data;
  const seconds = measured ? windowSeconds(measured) : (LOOKBACKS[lookback.value] ?? 60_000) / 1000;
  const select = (id: string | undefined) => refine({ select: id });
  const { zoom, setZoom } = useZoom(query.zoom);
  const scale = useSignal(1);
  const thresholds = readThresholds(query);
  const props = { graph, seconds, thresholds, selected: query.select, onSelect: select };
  const known = processes.value.data ?? [];
  return (
    <div class="mesh-view">
      <h1 class="sr-only">Mesh</h1>
      <div class="action">
        <SendButton label="Send a greeting" />
        <Outcome />
        <Controls isTable={isTable} zoom={zoom} scale={scale} onZoom={setZoom} />
        <button
          type="button"
          aria-pressed={!!query.faults}
          onClick={() => refine({ faults: query.faults ? undefined : "1" })}
        >
          Faults
        </button>
      </div>
      <Status isTable={isTable} />
      {graph && query.faults && <Lazy file={loadFaults} props={{ graph, selected: query.select }} />}
      <div class={`stage${query.select ? " with-panel" : ""}`} aria-busy={!graph}>
        {!graph && !topology.value.failure && <p class="quiet">Loading the topology…</p>}
        {graph && !isTable && (
          <MeshGraph
            {...props}
            graph={graph}
            zoom={zoom}
            scale={scale}
            onZoom={setZoom}
            badges={badgesOf(graph, known)}
          />
        )}
        {graph && isTable && <MeshTable {...props} graph={graph} />}
        {graph && query.select && topology.value.data && (
          <Panel
            graph={graph}
            topology={topology.value.data}
            processes={known}
            seconds={seconds}
            lookback={lookback.value}
            selected={query.select}
            onClose={() => {
              // Returns the focus to the node or edge: the focused button disappears with the panel.
              document.querySelector<SVGElement>('.stage [aria-pressed="true"]')?.focus();
              select(undefined);
            }}
          />
        )}
      </div>
      {graph && !isTable && <Legend thresholds={thresholds} />}
    </div>
  );
}

function badgesOf(graph: MeasuredGraph, known: readonly Process[]): Map<string, Badge> {
  const declared = topology.value.data;
  const badges = new Map<string, Badge>();
  for (const node of declared ? graph.nodes : []) {
    const badge = declared && badgeOf(node, known, declared);
    if (badge) badges.set(node.id, badge);
  }
  return badges;
}

/** The zoom in the URL, stored there once it no longer changes. */
function useZoom(stored: string | undefined): { zoom: Zoom; setZoom: (zoom: Zoom) => void } {
  const zoom = useSignal(readZoom(stored));
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    zoom.value = readZoom(stored);
    return () => clearTimeout(timer.current);
  }, [stored, zoom]);
  const setZoom = (next: Zoom) => {
    zoom.value = next;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => refine({ zoom: formatZoom(next) }), STORE_MS);
  };
  return { zoom: zoom.value, setZoom };
}

interface ControlsProps {
  isTable: boolean;
  zoom: Zoom;
  scale: Signal<number>;
  onZoom: (zoom: Zoom) => void;
}

function Controls({ isTable, zoom, scale, onZoom }: ControlsProps) {
  return (
    <div class="controls">
      <label>
        last{" "}
        <select value={lookback.value} onChange={(event) => refine({ lookback: event.currentTarget.value })}>
          {Object.keys(LOOKBACKS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <fieldset class="group">
        <legend class="sr-only">Show as</legend>
        <button type="button" aria-pressed={!isTable} onClick={() => refine({ as: undefined })}>
          Graph
        </button>
        <button type="button" aria-pressed={isTable} onClick={() => refine({ as: "table" })}>
          Table
        </button>
      </fieldset>
      {!isTable && (
        <fieldset class="group">
          <legend class="sr-only">Zoom</legend>
          <button type="button" aria-label="Zoom out" onClick={() => onZoom(limited(scale.value / STEP))}>
            −
          </button>
          <button type="button" aria-pressed={zoom === "fit"} onClick={() => onZoom("fit")}>
            Fit
          </button>
          <button type="button" aria-label="Zoom in" onClick={() => onZoom(limited(scale.value * STEP))}>
            +
          </button>
        </fieldset>
      )}
    </div>
  );
}

/** What the graph shows: a failure, stale data, or the source of its metrics. */
function Status({ isTable }: { isTable: boolean }) {
  const declared = topology.value;
  const metrics = mesh.value;
  if (declared.failure && !declared.data) return <FailureBox failure={declared.failure} />;
  if (metrics.failure && metrics.data && metrics.at !== undefined) {
    return <StaleNote failure={metrics.failure} age={age(now.value - metrics.at)} />;
  }
  if (metrics.failure) return <FailureBox failure={metrics.failure} />;
  if (!metrics.data) return <p class="note quiet">Loading metrics…</p>;
  return <p class="note quiet">{noteOf(metrics.data, isTable)}</p>;
}

function noteOf(data: Mesh, isTable: boolean): string {
  const range = `in the last ${lookbackText(lookback.value)}`;
  if (data.edges.length === 0) return emptyNote(range);
  const every = `Refreshes every ${REFRESH_MS / 1000} s.`;
  if (data.sample) {
    const from = zonedMoment(data.from, now.value);
    return `Sample of the newest ${data.traces} traces, since ${from}. Rates count only these traces. ${every}`;
  }
  const labels = isTable ? "" : " Edge labels: rate · errors, p50 · p99.";
  return `${count(data.traces, "trace")} ${range}.${lackOf(data)}${labels} ${every}`;
}

/** Milliseconds in which the spans of a greeting arrive, with time to spare. */
const SPANS_LATE_MS = 10_000;

/** Without any edge: spans that go elsewhere must not look like a mesh without traffic. */
function emptyNote(range: string): string {
  const { result } = greeting.value;
  if (!result) return `No traffic ${range}. Shown is the declared topology. Send a greeting, or open Load.`;
  if (!result.trace?.recorded) {
    return (
      `No metrics ${range}: the greeting has no recorded trace. If the gateway exports no spans, set ` +
      "OTEL_TRACES_EXPORTER=zipkin and OTEL_EXPORTER_ZIPKIN_ENDPOINT."
    );
  }
  if (now.value - result.at < SPANS_LATE_MS)
    return `No traffic ${range} yet. Waiting for the greeting's spans.`;
  return (
    "The greeting's spans have not arrived at the trace backend that this page reads. If OTEL_EXPORTER_* sends them to a " +
    "backend of your own, set the gateway's TRACE_QUERY_URL to that backend's Zipkin API."
  );
}

/** What the metrics lack; empty when they are complete. */
function lackOf(data: Mesh): string {
  const { from, completeSince, droppedSpans, uncountedCalls } = data;
  const lacks = [
    completeSince !== undefined && completeSince > from + 1_500
      ? `Counted since ${zonedMoment(completeSince, now.value)}.`
      : "",
    droppedSpans > 0 ? `✕ ${count(droppedSpans, "span")} lost on the way: their calls are missing.` : "",
    uncountedCalls > 0 ? `✕ ${count(uncountedCalls, "call")} beyond the collector's limits are missing.` : "",
  ];
  return lacks.map((text) => text && ` ${text}`).join("");
}

function Legend({ thresholds: { degraded, failing } }: { thresholds: Thresholds }) {
  return (
    <ul class="legend" aria-label="Legend">
      <li class="gateway">gateway</li>
      <li class="service">service</li>
      <li class="queue">queue</li>
      <li class="database">database</li>
      <li class="messaging">- - messaging</li>
      <li class="failing">✕ {failing} % or more of calls fail at the callee itself</li>
      <li class="degraded">✕ {degraded} % or more fail there or further down</li>
      <li class="cancelled">⊘ {degraded} % or more were cancelled: the caller left</li>
      <li class="quiet">grey: no traffic</li>
    </ul>
  );
}
