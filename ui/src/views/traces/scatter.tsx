import { duration } from "../../model/format.ts";
import { link } from "../../model/route.ts";
import { timeTicks } from "../../model/time.ts";
import { durationOf } from "../../model/trace-sort.ts";
import type { TraceSummary } from "../../model/trace-summary.ts";
import { useWidth } from "../shell/use-width.ts";

const HEIGHT = 170;
const LEFT = 64;
const BOTTOM = 22;
const TOP = 10;

/** Pixels per label of the time axis. */
const LABEL_WIDTH = 140;

interface Point {
  x: number;
  y: number;
  trace: TraceSummary;
}

/** Traces by start time and response time, on a logarithmic scale. The list below has the same data for keyboard users. */
export function Scatter({ traces }: { traces: readonly TraceSummary[] }) {
  const { width, measure } = useWidth(900);
  const starts = traces.map((trace) => trace.start);
  const first = Math.min(...starts);
  const last = Math.max(...starts, first + 1);
  const durations = traces.map(heightOf);
  const low = Math.floor(Math.log10(Math.min(...durations)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...durations))), low + 1);
  const across = (start: number) => LEFT + 12 + ((start - first) / (last - first)) * (width - LEFT - 48);
  const up = (value: number) =>
    HEIGHT - BOTTOM - ((Math.log10(value) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const points = traces.map((trace): Point => ({ x: across(trace.start), y: up(heightOf(trace)), trace }));
  const grid = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list below has a link to each of these
    <svg
      class="scatter"
      ref={measure}
      height={HEIGHT}
      role="img"
      onClick={(event) => openNearest(event, points)}
    >
      <title>{`${traces.length} traces by start time and response time`}</title>
      {grid.map((value) => (
        <g key={value}>
          <line class="grid" x1={LEFT} x2={width} y1={up(value)} y2={up(value)} />
          <text class="axis end" x={LEFT - 6} y={up(value) + 4}>
            {duration(value)}
          </text>
        </g>
      ))}
      {timeTicks(first, last, width / LABEL_WIDTH).map(({ time, label }) => (
        <g key={time}>
          <line class="grid" x1={across(time)} x2={across(time)} y1={TOP} y2={HEIGHT - BOTTOM} />
          <text class="axis middle" x={across(time)} y={HEIGHT - 6}>
            {label}
          </text>
        </g>
      ))}
      {points.map(({ x, y, trace }) =>
        trace.errors > 0 ? (
          <path key={trace.id} class="dot failed" d={`M${x - 4} ${y - 4}l8 8m0 -8l-8 8`} />
        ) : (
          <circle key={trace.id} class="dot" cx={x} cy={y} r="3.5" />
        ),
      )}
    </svg>
  );
}

/** Positive, for the logarithmic scale. */
function heightOf(trace: TraceSummary): number {
  return Math.max(durationOf(trace), 0.01);
}

/** Radius in pixels within which a click opens a point. */
const HIT_RADIUS = 14;

function openNearest(event: MouseEvent, points: readonly Point[]): void {
  const svg = event.currentTarget;
  if (!(svg instanceof SVGSVGElement)) return;
  const box = svg.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  let nearest: { distance: number; id: string } | undefined;
  for (const point of points) {
    const distance = Math.hypot(point.x - x, point.y - y);
    if (distance <= HIT_RADIUS && distance < (nearest?.distance ?? HIT_RADIUS + 1))
      nearest = { distance, id: point.trace.id };
  }
  if (nearest) location.hash = link("trace", {}, nearest.id);
}
