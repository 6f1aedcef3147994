import { useMemo } from "preact/hooks";
import { type Layout, layoutKey, layoutOf, pathThrough, shortName } from "../../model/layout.ts";
import { type Figures, faults, type Picture, relatedTo } from "../../model/mesh.ts";
import type { GraphEdge, GraphNode } from "../../model/topology.ts";
import { linesOf, sentenceOf } from "./words.ts";

interface Props {
  picture: Picture;
  seconds: number;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
  zoom: number;
}

/** The picture, left to right. Its layout changes only when nodes or edges do, never with their figures. */
export function MeshGraph({ picture, seconds, selected, onSelect, zoom }: Props) {
  const key = layoutKey(picture);
  // The key says all of the picture that these depend on.
  const layout = useMemo(() => layoutOf(picture), [key]);
  const exists =
    picture.nodes.some(({ id }) => id === selected) || picture.edges.some(({ id }) => id === selected);
  const related = useMemo(
    () => (selected && exists ? relatedTo(picture, selected) : undefined),
    [key, selected, exists],
  );
  const isDim = (id: string) => related !== undefined && !related.has(id);
  const choose = (id: string) => onSelect(id === selected ? undefined : id);
  const target = (id: string) => ({
    role: "button" as const,
    // In SVG, names of attributes are as they are written.
    tabindex: 0,
    "aria-pressed": id === selected,
    onClick: () => choose(id),
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) choose(id);
    },
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="canvas" tabIndex={0} aria-label="The mesh as a graph; the same as a table: press Table">
      {/* biome-ignore lint/a11y/useSemanticElements: SVG has no fieldset */}
      <svg
        role="group"
        aria-label="Services, queues, databases and what goes between them"
        viewBox={`0 0 ${layout.width} ${layout.height}`}
        width={layout.width * zoom}
        height={layout.height * zoom}
        class={zoom === 0 ? "fit" : undefined}
      >
        <Arrowheads />
        {picture.edges.map((edge) => (
          <g
            key={edge.id}
            {...target(edge.id)}
            class={edgeClass(edge, picture.figures.get(edge.id), isDim(edge.id))}
          >
            <Edge edge={edge} layout={layout} figures={picture.figures.get(edge.id)} seconds={seconds} />
          </g>
        ))}
        {picture.nodes.map((node) => (
          <g key={node.id} {...target(node.id)} class={`node ${node.kind}${isDim(node.id) ? " dim" : ""}`}>
            <Node node={node} layout={layout} />
          </g>
        ))}
      </svg>
    </section>
  );
}

function edgeClass(edge: GraphEdge, figures: Figures | undefined, isDim: boolean): string {
  const state = figures === undefined ? "idle" : faults(figures) > 0 ? "failing" : "live";
  return `edge ${edge.kind} ${state}${isDim ? " dim" : ""}`;
}

function Arrowheads() {
  return (
    <defs>
      {["idle", "live", "failing", "messaging"].map((state) => (
        <marker
          key={state}
          id={`head-${state}`}
          class={`head ${state}`}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          orient="auto-start-reverse"
        >
          <path d="M0 0L8 4L0 8z" />
        </marker>
      ))}
    </defs>
  );
}

function Edge({
  edge,
  layout,
  figures,
  seconds,
}: {
  edge: GraphEdge;
  layout: Layout;
  figures: Figures | undefined;
  seconds: number;
}) {
  const drawn = layout.edges.get(edge.id);
  if (!drawn) return null;
  const path = pathThrough(drawn.points);
  const state =
    figures === undefined
      ? "idle"
      : faults(figures) > 0
        ? "failing"
        : edge.kind === "messaging"
          ? "messaging"
          : "live";
  const lines = figures && linesOf(figures, seconds);
  const { x, y } = drawn.label;
  return (
    <>
      <title>{sentenceOf(edge, figures, seconds)}</title>
      <path class="reach" d={path} />
      <path class="line" d={path} marker-end={`url(#head-${state})`} />
      {lines && (
        <>
          <text class="figures" x={x} y={y - 5}>
            {lines.first}
          </text>
          <text class="figures second" x={x} y={y + 15}>
            {lines.second}
          </text>
        </>
      )}
    </>
  );
}

function Node({ node, layout }: { node: GraphNode; layout: Layout }) {
  const box = layout.nodes.get(node.id);
  if (!box) return null;
  const { x, y, width, height } = box;
  return (
    <>
      <title>{`${node.id}, ${node.kind}`}</title>
      <Shape kind={node.kind} left={x - width / 2} top={y - height / 2} width={width} height={height} />
      <text x={x} y={y + (node.kind === "database" ? 8 : 5)}>
        {shortName(node.id)}
      </text>
    </>
  );
}

/** A database is a drum and a queue a box with open slots: what they are is told by shape, and colour only repeats it. */
function Shape({
  kind,
  left,
  top,
  width,
  height,
}: {
  kind: GraphNode["kind"];
  left: number;
  top: number;
  width: number;
  height: number;
}) {
  const right = left + width;
  const bottom = top + height;
  if (kind === "database") {
    const curve = `A${width / 2} 6 0 0 0`;
    return (
      <>
        <path
          class="shape"
          d={`M${left} ${top + 6}V${bottom - 6}${curve} ${right} ${bottom - 6}V${top + 6}${curve} ${left} ${top + 6}z`}
        />
        <path
          class="shape lid"
          d={`M${left} ${top + 6}${curve} ${right} ${top + 6}${curve} ${left} ${top + 6}z`}
        />
      </>
    );
  }
  if (kind === "queue") {
    return (
      <>
        <rect class="shape" x={left} y={top} width={width} height={height} rx="3" />
        <path class="slots" d={`M${left + 5} ${top}V${bottom}M${right - 5} ${top}V${bottom}`} />
      </>
    );
  }
  return (
    <rect class="shape" x={left} y={top} width={width} height={height} rx={kind === "gateway" ? 20 : 7} />
  );
}
