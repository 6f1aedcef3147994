import { count, duration, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import { type Figures, faults, type Picture } from "../../model/mesh.ts";
import { link } from "../../model/route.ts";
import { type GraphEdge, roleOf, type Topology } from "../../model/topology.ts";
import { KIND_WORDS } from "./words.ts";

interface Props {
  picture: Picture;
  topology: Topology;
  seconds: number;
  lookback: string;
  selected: string;
  onClose: () => void;
}

/** What is known of the selected node or edge, and the way to its traces. */
export function Panel({ picture, topology, seconds, lookback, selected, onClose }: Props) {
  const edge = picture.edges.find(({ id }) => id === selected);
  const node = picture.nodes.find(({ id }) => id === selected);
  if (!edge && !node) return null;
  const service = topology.services.find(({ name }) => name === node?.id);
  const touching = picture.edges.filter(({ from, to }) => node && (from === node.id || to === node.id));
  const query = { ...(edge ? tracesThrough(edge, picture) : { service: node?.id ?? "" }), lookback };
  return (
    <aside class="panel" aria-label={edge ? "The selected edge" : "The selected node"}>
      <header>
        <h2>{edge ? <EdgeName edge={edge} /> : <bdi>{node?.id}</bdi>}</h2>
        <button type="button" class="plain" onClick={onClose} aria-label="Close the panel">
          ✕
        </button>
      </header>
      {edge && <p class="quiet">{KIND_WORDS[edge.kind]}</p>}
      {edge && <FiguresList figures={picture.figures.get(edge.id)} seconds={seconds} />}
      {node && <p class="quiet">{service ? roleOf(service) || "calls nobody" : node.kind}</p>}
      {service && (
        <p class="greeting-text">
          <bdi>{service.greeting}</bdi>
        </p>
      )}
      {touching.map((one) => (
        <section key={one.id}>
          <h3>
            <EdgeName edge={one} />
          </h3>
          <FiguresList figures={picture.figures.get(one.id)} seconds={seconds} />
        </section>
      ))}
      {node?.kind !== "database" && node?.kind !== "queue" && (
        <p>
          <a href={link("traces", query)}>Traces through this {edge ? "edge" : "node"}</a>
        </p>
      )}
    </aside>
  );
}

/** By whom such a call is reported, and with what at the other side. A queue reports no spans: its consumer does. */
function tracesThrough({ from, to }: GraphEdge, picture: Picture): Record<string, string> {
  const isQueue = picture.nodes.some(({ id, kind }) => id === from && kind === "queue");
  return isQueue ? { service: to, remote: from } : { service: from, remote: to };
}

function EdgeName({ edge }: { edge: GraphEdge }) {
  return (
    <>
      <bdi>{edge.from}</bdi> → <bdi>{edge.to}</bdi>
    </>
  );
}

function FiguresList({ figures, seconds }: { figures: Figures | undefined; seconds: number }) {
  if (!figures) return <p class="quiet">No traffic in this time.</p>;
  const { p50, p99, queueWait, codes } = figures;
  const errors = faults(figures);
  return (
    <dl class="figures-list">
      <Fact name="calls" value={`${count(figures.count, "call")} · ${rate(figures.count, seconds)}`} />
      <Fact
        name="errors"
        value={errors === 0 ? "none" : `✕ ${errors} · ${percent(errors, figures.count)}`}
        isBad={errors > 0}
      />
      {Object.entries(codes).map(([code, times]) => (
        <Fact key={code} name="" value={`${codeName(code)} × ${times}`} isBad={code !== "1"} />
      ))}
      {p50 !== undefined && <Fact name="p50 · p99" value={`${duration(p50)} · ${duration(p99)}`} />}
      {queueWait?.p50 !== undefined && (
        <Fact name="queue wait" value={`${duration(queueWait.p50)} · ${duration(queueWait.p99)}`} />
      )}
    </dl>
  );
}

function Fact({ name, value, isBad }: { name: string; value: string; isBad?: boolean }) {
  return (
    <div class={isBad ? "trouble" : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
