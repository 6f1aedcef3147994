import { duration, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { EdgeMetrics, MeasuredGraph } from "../../model/mesh.ts";
import { severityOf, type Thresholds } from "../../model/severity.ts";
import { ScrollRegion } from "../shell/scroll-region.tsx";
import { KIND_LABELS } from "./labels.ts";

interface Props {
  graph: MeasuredGraph;
  seconds: number;
  thresholds: Thresholds;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
}

/** The graph's data, one edge per row. */
export function MeshTable({ graph, seconds, thresholds, selected, onSelect }: Props) {
  return (
    <ScrollRegion label="Edges of the mesh">
      <table>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">to</th>
            <th scope="col">kind</th>
            <th scope="col" class="number">
              calls
            </th>
            <th scope="col" class="number">
              rate
            </th>
            <th scope="col" class="number">
              errors
            </th>
            <th scope="col">codes</th>
            <th scope="col" class="number">
              cancelled
            </th>
            <th scope="col" class="number">
              p50
            </th>
            <th scope="col" class="number">
              p99
            </th>
            <th scope="col" class="number">
              queue wait
            </th>
          </tr>
        </thead>
        <tbody>
          {graph.edges.map((edge) => {
            const metrics = graph.metrics.get(edge.id);
            return (
              <tr key={edge.id} class={`${metrics ? "" : "idle"} ${edge.id === selected ? "selected" : ""}`}>
                <td>
                  <bdi>{edge.from}</bdi>
                </td>
                <td>
                  <button
                    type="button"
                    class="link"
                    aria-pressed={edge.id === selected}
                    aria-label={`${edge.from} to ${edge.to}`}
                    onClick={() => onSelect(edge.id === selected ? undefined : edge.id)}
                  >
                    <bdi>{edge.to}</bdi>
                  </button>
                </td>
                <td>{KIND_LABELS[edge.kind]}</td>
                <Cells metrics={metrics} seconds={seconds} thresholds={thresholds} />
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

interface CellsProps {
  metrics: EdgeMetrics | undefined;
  seconds: number;
  thresholds: Thresholds;
}

function Cells({ metrics, seconds, thresholds }: CellsProps) {
  if (!metrics) return <td colSpan={8}>no traffic</td>;
  const { count, errors, cancelled } = metrics;
  const codes = Object.entries(metrics.codes).map(([code, times]) => `${codeName(code)} × ${times}`);
  const severity = severityOf(metrics, thresholds);
  const trouble = severity === "failing" || severity === "degraded" ? severity : "";
  return (
    <>
      <td class="number">{count.toLocaleString("en")}</td>
      <td class="number">{rate(count, seconds)}</td>
      <td class={`number ${trouble}`}>
        {errors > 0 && <span aria-hidden="true">✕ </span>}
        {errors > 0 && `${errors.toLocaleString("en")} · `}
        {percent(errors, count)}
      </td>
      <td class={trouble}>{codes.join(", ")}</td>
      <td class={`number ${cancelled > 0 ? "cancelled" : ""}`}>
        {cancelled > 0 && <span aria-hidden="true">⊘ </span>}
        {cancelled > 0 ? `${cancelled.toLocaleString("en")} · ${percent(cancelled, count)}` : "0"}
      </td>
      <td class="number">{duration(metrics.p50)}</td>
      <td class="number">{duration(metrics.p99)}</td>
      <td class="number">{metrics.queueWait ? duration(metrics.queueWait.p50) : ""}</td>
    </>
  );
}
