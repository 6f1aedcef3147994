import { age, count } from "../../model/format.ts";
import { type Mesh, windowSeconds } from "../../model/mesh.ts";
import { LOOKBACKS, lookbackWords } from "../../model/route.ts";
import { sent } from "../../state/greeting.ts";
import { lookback, mesh, now, picture, REFRESH_MS, topology } from "../../state/mesh.ts";
import { refine, route } from "../../state/route.ts";
import { Outcome, SendButton } from "../greeting/send-button.tsx";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { MeshGraph } from "./graph.tsx";
import { MeshTable } from "./mesh-table.tsx";
import { Panel } from "./panel.tsx";

/** The zoom that fits the picture to the window. */
const FIT = 0;
const SCALES = [FIT, 0.5, 0.75, 1, 1.5, 2];

export function MeshView() {
  const query = route.value?.query ?? {};
  const isTable = query.as === "table";
  const shown = picture.value;
  const measured = mesh.value.data;
  const seconds = measured ? windowSeconds(measured) : (LOOKBACKS[lookback.value] ?? 60_000) / 1000;
  const select = (id: string | undefined) => refine({ select: id });
  const zoom = SCALES.find((scale) => String(scale) === query.zoom) ?? FIT;
  const props = { picture: shown, seconds, selected: query.select, onSelect: select };
  return (
    <div class="mesh-view">
      <h1 class="sr-only">Mesh</h1>
      <div class="action">
        <SendButton label="Send a greeting" />
        <Outcome />
        <Controls isTable={isTable} zoom={zoom} />
      </div>
      <State />
      <div class={`stage${query.select ? " with-panel" : ""}`} aria-busy={!shown}>
        {!shown && !topology.value.failure && <p class="quiet">Asking for the graph…</p>}
        {shown && !isTable && <MeshGraph {...props} picture={shown} zoom={zoom} />}
        {shown && isTable && <MeshTable {...props} picture={shown} />}
        {shown && query.select && topology.value.data && (
          <Panel
            picture={shown}
            topology={topology.value.data}
            seconds={seconds}
            lookback={lookback.value}
            selected={query.select}
            onClose={() => {
              // To what the panel told of: with the panel its button goes, and would take the focus along.
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
  const at = SCALES.indexOf(zoom);
  const scale = (index: number) => refine({ zoom: SCALES[index] ? String(SCALES[index]) : undefined });
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
          <legend class="sr-only">Size</legend>
          <button
            type="button"
            aria-label="Smaller"
            onClick={() => scale(zoom === FIT ? 1 : Math.max(at - 1, 1))}
          >
            −
          </button>
          <button type="button" aria-pressed={zoom === FIT} onClick={() => scale(0)}>
            Fit
          </button>
          <button
            type="button"
            aria-label="Larger"
            onClick={() => scale(zoom === FIT ? 3 : Math.min(at + 1, SCALES.length - 1))}
          >
            +
          </button>
        </fieldset>
      )}
    </div>
  );
}

/** Why the picture shows what it shows: nothing yet, a sample, something old, or not all that it could. */
function State() {
  const graph = topology.value;
  const figures = mesh.value;
  if (graph.failure && !graph.data) return <FailureBox failure={graph.failure} />;
  if (figures.failure && figures.data && figures.at !== undefined) {
    return <StaleNote failure={figures.failure} age={age(now.value - figures.at)} />;
  }
  if (figures.failure) return <FailureBox failure={figures.failure} />;
  if (!figures.data) return <p class="note quiet">Asking how it does…</p>;
  return <p class="note quiet">{noteOf(figures.data)}</p>;
}

function noteOf(data: Mesh): string {
  const window = `in the last ${lookbackWords(lookback.value)}`;
  if (data.edges.length === 0) {
    const isWaiting = sent.value.answered?.trace?.recorded;
    return isWaiting
      ? `No traffic ${window} yet; the greeting's spans are on their way.`
      : `No traffic ${window}: the graph is the declared one. Send a greeting, or open Load.`;
  }
  const every = `Refreshed every ${REFRESH_MS / 1000} s.`;
  if (data.sample) {
    const from = new Date(data.from).toLocaleTimeString();
    return `A sample: from the newest ${data.traces} traces, since ${from}; rates are of these alone. ${every}`;
  }
  return `From ${count(data.traces, "trace")} ${window}. Edges: calls and errors above, p50 · p99 below. ${every}`;
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li class="gateway">gateway</li>
      <li class="service">service</li>
      <li class="queue">queue</li>
      <li class="database">database</li>
      <li class="messages">- - messages</li>
      <li class="failing">✕ errors</li>
      <li class="quiet">grey: no traffic</li>
    </ul>
  );
}
