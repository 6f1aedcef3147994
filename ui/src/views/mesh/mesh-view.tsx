import { age, count } from "../../model/format.ts";
import { type Mesh, windowSeconds } from "../../model/mesh.ts";
import { LOOKBACKS, lookbackText } from "../../model/route.ts";
import { greeting } from "../../state/greeting.ts";
import { lookback, measuredGraph, mesh, now, REFRESH_MS, topology } from "../../state/mesh.ts";
import { refine, route } from "../../state/route.ts";
import { Outcome, SendButton } from "../greeting/send-button.tsx";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { MeshGraph } from "./graph.tsx";
import { MeshTable } from "./mesh-table.tsx";
import { Panel } from "./panel.tsx";

/** The zoom that fits the graph to the window. */
const FIT = 0;
const ZOOM_LEVELS = [FIT, 0.5, 0.75, 1, 1.5, 2];

export function MeshView() {
  const query = route.value?.query ?? {};
  const isTable = query.as === "table";
  const graph = measuredGraph.value;
  const measured = mesh.value.data;
  const seconds = measured ? windowSeconds(measured) : (LOOKBACKS[lookback.value] ?? 60_000) / 1000;
  const select = (id: string | undefined) => refine({ select: id });
  const zoom = ZOOM_LEVELS.find((scale) => String(scale) === query.zoom) ?? FIT;
  const props = { graph, seconds, selected: query.select, onSelect: select };
  return (
    <div class="mesh-view">
      <h1 class="sr-only">Mesh</h1>
      <div class="action">
        <SendButton label="Send a greeting" />
        <Outcome />
        <Controls isTable={isTable} zoom={zoom} />
      </div>
      <Status />
      <div class={`stage${query.select ? " with-panel" : ""}`} aria-busy={!graph}>
        {!graph && !topology.value.failure && <p class="quiet">Loading the topology…</p>}
        {graph && !isTable && <MeshGraph {...props} graph={graph} zoom={zoom} />}
        {graph && isTable && <MeshTable {...props} graph={graph} />}
        {graph && query.select && topology.value.data && (
          <Panel
            graph={graph}
            topology={topology.value.data}
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
      {!isTable && <Legend />}
    </div>
  );
}

function Controls({ isTable, zoom }: { isTable: boolean; zoom: number }) {
  const at = ZOOM_LEVELS.indexOf(zoom);
  const zoomTo = (index: number) =>
    refine({ zoom: ZOOM_LEVELS[index] ? String(ZOOM_LEVELS[index]) : undefined });
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
          <button
            type="button"
            aria-label="Zoom out"
            onClick={() => zoomTo(zoom === FIT ? 1 : Math.max(at - 1, 1))}
          >
            −
          </button>
          <button type="button" aria-pressed={zoom === FIT} onClick={() => zoomTo(0)}>
            Fit
          </button>
          <button
            type="button"
            aria-label="Zoom in"
            onClick={() => zoomTo(zoom === FIT ? 3 : Math.min(at + 1, ZOOM_LEVELS.length - 1))}
          >
            +
          </button>
        </fieldset>
      )}
    </div>
  );
}

/** What the graph shows: a failure, stale data, or the source of its metrics. */
function Status() {
  const declared = topology.value;
  const metrics = mesh.value;
  if (declared.failure && !declared.data) return <FailureBox failure={declared.failure} />;
  if (metrics.failure && metrics.data && metrics.at !== undefined) {
    return <StaleNote failure={metrics.failure} age={age(now.value - metrics.at)} />;
  }
  if (metrics.failure) return <FailureBox failure={metrics.failure} />;
  if (!metrics.data) return <p class="note quiet">Loading metrics…</p>;
  return <p class="note quiet">{noteOf(metrics.data)}</p>;
}

function noteOf(data: Mesh): string {
  const range = `in the last ${lookbackText(lookback.value)}`;
  if (data.edges.length === 0) {
    const isWaiting = greeting.value.result?.trace?.recorded;
    return isWaiting
      ? `No traffic ${range} yet. Waiting for the greeting's spans.`
      : `No traffic ${range}. The graph shows the declared topology. Send a greeting, or open Load.`;
  }
  const every = `Refreshes every ${REFRESH_MS / 1000} s.`;
  if (data.sample) {
    const from = new Date(data.from).toLocaleTimeString();
    return `Sample of the newest ${data.traces} traces, since ${from}. Rates count only these traces. ${every}`;
  }
  return `${count(data.traces, "trace")} ${range}. Edge labels: rate · errors, p50 · p99. ${every}`;
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li class="gateway">gateway</li>
      <li class="service">service</li>
      <li class="queue">queue</li>
      <li class="database">database</li>
      <li class="messaging">- - messaging</li>
      <li class="failing">✕ errors</li>
      <li class="quiet">grey: no traffic</li>
    </ul>
  );
}
