import { count, duration, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { EdgeMetrics, MeasuredGraph } from "../../model/mesh.ts";
import type { Process } from "../../model/processes.ts";
import { link } from "../../model/route.ts";
import { type GraphEdge, roleText, type Topology } from "../../model/topology.ts";
import { useEscape } from "../shell/use-escape.ts";
import { Health } from "./health.tsx";
import { KIND_LABELS } from "./labels.ts";

interface Props {
  graph: MeasuredGraph;
  topology: Topology;
  processes: readonly Process[];
  seconds: number;
  lookback: string;
  selected: string;
  onClose: () => void;
}

/** Details of the selected node or edge, and a link to its traces. */
export function Panel({ graph, topology, processes, seconds, lookback, selected, onClose }: Props) {
  useEscape(onClose);
  const edge = graph.edges.find(({ id }) => id === selected);
  const node = graph.nodes.find(({ id }) => id === selected);
  if (!edge && !node) return null;
  const service = topology.services.find(({ name }) => name === node?.id);
  const touching = graph.edges.filter(({ from, to }) => node && (from === node.id || to === node.id));
  const query = { ...(edge ? tracesThrough(edge, graph) : { service: node?.id ?? "" }), lookback };
  return (
    <aside class="panel" aria-label={edge ? "Selected edge" : "Selected node"}>
      <header>
        <h2>{edge ? <EdgeName edge={edge} /> : <bdi>{node?.id}</bdi>}</h2>
        <button type="button" class="plain" onClick={onClose} aria-label="Close panel">
          ✕
        </button>
      </header>
      {edge && <p class="quiet">{KIND_LABELS[edge.kind]}</p>}
      {edge && <MetricsList metrics={graph.metrics.get(edge.id)} seconds={seconds} />}
      {node && <p class="quiet">{service ? roleText(service) || "no upstreams" : node.kind}</p>}
      {service && (
        <p class="greeting-text">
          <bdi>{service.greeting}</bdi>
        </p>
      )}
      {node && <Health node={node} topology={topology} processes={processes} />}
      {touching.map((one) => (
        <section key={one.id}>
          <h3>
            <EdgeName edge={one} />
          </h3>
          <MetricsList metrics={graph.metrics.get(one.id)} seconds={seconds} />
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

/** Filters for the traces of an edge. A queue reports no spans, so its consumer is used. */
function tracesThrough({ from, to }: GraphEdge, graph: MeasuredGraph): Record<string, string> {
  const isQueue = graph.nodes.some(({ id, kind }) => id === from && kind === "queue");
  return isQueue ? { service: to, remote: from } : { service: from, remote: to };
}

function EdgeName({ edge }: { edge: GraphEdge }) {
  return (
    <>
      <bdi>{edge.from}</bdi> → <bdi>{edge.to}</bdi>
    </>
  );
}

function MetricsList({ metrics, seconds }: { metrics: EdgeMetrics | undefined; seconds: number }) {
  if (!metrics) return <p class="quiet">No traffic in this time range.</p>;
  const { p50, p99, queueWait, codes, errors, propagated, cancelled } = metrics;
  return (
    <dl class="metrics-list">
      <Fact name="calls" value={`${count(metrics.count, "call")} · ${rate(metrics.count, seconds)}`} />
      <Fact
        name="errors"
        value={errors === 0 ? "none" : `✕ ${errors} · ${percent(errors, metrics.count)}`}
        isBad={errors > 0}
      />
      {Object.entries(codes).map(([code, times]) => (
        <Fact key={code} name="" value={`${codeName(code)} × ${times}`} isBad />
      ))}
      {propagated > 0 && <Fact name="" value={`${propagated} passed on from further down`} isBad />}
      {cancelled > 0 && (
        <Fact
          name="cancelled"
          value={`⊘ ${cancelled} · ${percent(cancelled, metrics.count)}: the caller left`}
        />
      )}
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
