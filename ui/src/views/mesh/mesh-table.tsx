import { duration, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import { type Figures, faults, type Picture } from "../../model/mesh.ts";
import { KIND_WORDS } from "./words.ts";

interface Props {
  picture: Picture;
  seconds: number;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
}

/** All that the graph says, one edge a row. */
export function MeshTable({ picture, seconds, selected, onSelect }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-label="Edges of the mesh">
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
          {picture.edges.map((edge) => {
            const figures = picture.figures.get(edge.id);
            return (
              <tr key={edge.id} class={`${figures ? "" : "idle"} ${edge.id === selected ? "selected" : ""}`}>
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
                <td>{KIND_WORDS[edge.kind]}</td>
                <Cells figures={figures} seconds={seconds} />
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Cells({ figures, seconds }: { figures: Figures | undefined; seconds: number }) {
  if (!figures) return <td colSpan={6}>no traffic</td>;
  const codes = Object.entries(figures.codes).map(([code, count]) => `${codeName(code)} × ${count}`);
  return (
    <>
      <td class="number">{rate(figures.count, seconds)}</td>
      <td class={`number ${faults(figures) > 0 ? "trouble" : ""}`}>
        {faults(figures) > 0 && <span aria-hidden="true">✕ </span>}
        {percent(faults(figures), figures.count)}
      </td>
      <td class={faults(figures) > 0 ? "trouble" : ""}>{codes.join(", ")}</td>
      <td class="number">{duration(figures.p50)}</td>
      <td class="number">{duration(figures.p99)}</td>
      <td class="number">{figures.queueWait ? duration(figures.queueWait.p50) : ""}</td>
    </>
  );
}
