import { duration, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import { type EdgeMetrics, faultCount, type MeasuredGraph } from "../../model/mesh.ts";
import { ScrollRegion } from "../shell/scroll-region.tsx";
import { KIND_LABELS } from "./labels.ts";

interface Props {
  graph: MeasuredGraph;
  seconds: number;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
}

/** The graph's data, one edge per row. */
export function MeshTable({ graph, seconds, selected, onSelect }: Props) {
  return (
    <ScrollRegion label="Edges of the mesh">
      <table>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">to</th>
            <th scope="col">kind</th>
            <th scope="col" class="number">
              rate
            </th>
            <th scope="col" class="number">
              errors
            </th>
            <th scope="col">codes</th>
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
                <Cells metrics={metrics} seconds={seconds} />
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function Cells({ metrics, seconds }: { metrics: EdgeMetrics | undefined; seconds: number }) {
  if (!metrics) return <td colSpan={6}>no traffic</td>;
  const codes = Object.entries(metrics.codes).map(([code, count]) => `${codeName(code)} × ${count}`);
  return (
    <>
      <td class="number">{rate(metrics.count, seconds)}</td>
      <td class={`number ${faultCount(metrics) > 0 ? "trouble" : ""}`}>
        {faultCount(metrics) > 0 && <span aria-hidden="true">✕ </span>}
        {percent(faultCount(metrics), metrics.count)}
      </td>
      <td class={faultCount(metrics) > 0 ? "trouble" : ""}>{codes.join(", ")}</td>
      <td class="number">{duration(metrics.p50)}</td>
      <td class="number">{duration(metrics.p99)}</td>
      <td class="number">{metrics.queueWait ? duration(metrics.queueWait.p50) : ""}</td>
    </>
  );
}
