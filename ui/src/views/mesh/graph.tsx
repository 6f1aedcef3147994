import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type Layout, layoutKey, layoutOf, pathThrough, shortName } from "../../model/layout.ts";
import { type EdgeMetrics, type MeasuredGraph, relatedIds } from "../../model/mesh.ts";
import type { Badge } from "../../model/processes.ts";
import { type Severity, severityOf, type Thresholds } from "../../model/severity.ts";
import type { GraphEdge, GraphNode } from "../../model/topology.ts";
import type { Zoom } from "../../model/zoom.ts";
import { Canvas } from "./canvas.tsx";
import { badgeWidth, edgeDescription, labelLines, squeezedWidth } from "./labels.ts";

interface Props {
  graph: MeasuredGraph;
  seconds: number;
  thresholds: Thresholds;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
  zoom: Zoom;
  scale: Signal<number>;
  onZoom: (zoom: number) => void;
  /** By node. */
  badges: ReadonlyMap<string, Badge>;
}

/** The graph, left to right. Its layout depends on nodes and edges, not on their metrics. */
export function MeshGraph({
  graph,
  seconds,
  thresholds,
  selected,
  onSelect,
  zoom,
  scale,
  onZoom,
  badges,
}: Props) {
  const key = layoutKey(graph);
  // The key covers everything in the graph that these depend on.
  const layout = useMemo(() => layoutOf(graph), [key]);
  const exists =
    graph.nodes.some(({ id }) => id === selected) || graph.edges.some(({ id }) => id === selected);
  const related = useMemo(
    () => (selected && exists ? relatedIds(graph, selected) : undefined),
    [key, selected, exists],
  );
  const isDim = (id: string) => related !== undefined && !related.has(id);
  const choose = (id: string) => onSelect(id === selected ? undefined : id);
  const target = (id: string) => ({
    role: "button" as const,
    // SVG attributes are case-sensitive.
    tabindex: 0,
    "aria-pressed": id === selected,
    onClick: () => choose(id),
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) choose(id);
    },
  });
  const box = layout.nodes.get(selected ?? "") ?? layout.edges.get(selected ?? "")?.label;
  return (
    <Canvas graph={layout} zoom={zoom} scale={scale} onZoom={onZoom} selection={box}>
      {(scale) => (
        // biome-ignore lint/a11y/useSemanticElements: SVG has no fieldset
        <svg
          role="group"
          aria-label="Services, queues and databases"
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          width={Math.floor(layout.width * scale)}
          height={Math.floor(layout.height * scale)}
        >
          <Arrowheads />
          {graph.edges.map((edge) => {
            const metrics = graph.metrics.get(edge.id);
            const severity = severityOf(metrics, thresholds);
            return (
              <g key={edge.id} {...target(edge.id)} class={edgeClass(edge, severity, isDim(edge.id))}>
                <Edge edge={edge} layout={layout} metrics={metrics} severity={severity} seconds={seconds} />
              </g>
            );
          })}
          {graph.nodes.map((node) => (
            <g key={node.id} {...target(node.id)} class={`node ${node.kind}${isDim(node.id) ? " dim" : ""}`}>
              <Node node={node} layout={layout} badge={badges.get(node.id)} />
            </g>
          ))}
          {graph.nodes.map(({ id }) => (
            <BadgeLabel key={id} id={id} badge={badges.get(id)} layout={layout} />
          ))}
        </svg>
      )}
    </Canvas>
  );
}

function edgeClass(edge: GraphEdge, severity: Severity, isDim: boolean): string {
  return `edge ${edge.kind} ${severity}${isDim ? " dim" : ""}`;
}

function Arrowheads() {
  return (
    <defs>
      {["idle", "live", "cancelled", "degraded", "failing", "messaging"].map((state) => (
        <marker
          key={state}
          id={`head-${state}`}
          class={`head ${state}`}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="10"
          markerHeight="10"
          // Not by the line's width: the head of a failing edge would cover its label.
          markerUnits="userSpaceOnUse"
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
  metrics,
  severity,
  seconds,
}: {
  edge: GraphEdge;
  layout: Layout;
  metrics: EdgeMetrics | undefined;
  severity: Severity;
  seconds: number;
}) {
  const drawn = layout.edges.get(edge.id);
  if (!drawn) return null;
  const path = pathThrough(drawn.points);
  const state = severity === "live" && edge.kind === "messaging" ? "messaging" : severity;
  const lines = metrics && labelLines(metrics, seconds);
  const { x, y } = drawn.label;
  return (
    <>
      <title>{edgeDescription(edge, metrics, seconds)}</title>
      <path class="hit-area" d={path} />
      <path class="line" d={path} marker-end={`url(#head-${state})`} />
      {lines && (
        <>
          <Label class="metrics" x={x} y={y - 5} text={lines.first} />
          <Label class="metrics second" x={x} y={y + 15} text={lines.second} />
        </>
      )}
    </>
  );
}

/** One line of an edge's label, squeezed when it is wider than the space between two nodes. */
function Label({ text, ...place }: { class: string; x: number; y: number; text: string }) {
  const width = squeezedWidth(text);
  return (
    <text
      {...place}
      {...(width === undefined ? {} : { textLength: width, lengthAdjust: "spacingAndGlyphs" })}
    >
      {text}
    </text>
  );
}

function Node({ node, layout, badge }: { node: GraphNode; layout: Layout; badge: Badge | undefined }) {
  const box = layout.nodes.get(node.id);
  if (!box) return null;
  const { x, y, width, height } = box;
  return (
    <>
      <title>{badge ? `${node.id}, ${node.kind}: ${badge.title}` : `${node.id}, ${node.kind}`}</title>
      <Shape kind={node.kind} left={x - width / 2} top={y - height / 2} width={width} height={height} />
      <text x={x} y={y + (node.kind === "database" ? 8 : 5)}>
        {shortName(node.id)}
      </text>
    </>
  );
}

/**
 * On the upper edge of its node, within the space that the layout keeps between nodes. Apart from its node, so that
 * trouble stays visible when another selection dims it.
 */
function BadgeLabel({ id, badge, layout }: { id: string; badge: Badge | undefined; layout: Layout }) {
  const box = layout.nodes.get(id);
  if (!badge || !box) return null;
  const width = badgeWidth(badge.text);
  const y = box.y - box.height / 2;
  return (
    <g class={`badge ${badge.kind}`} data-node={id}>
      <rect x={box.x - width / 2} y={y - 9} width={width} height={17} rx={8.5} />
      <text x={box.x} y={y + 4}>
        {badge.text}
      </text>
    </g>
  );
}

/** Each kind has its own shape, so that nothing depends on colour alone. */
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
