import { duration, moment } from "../../model/format.ts";
import { link } from "../../model/route.ts";
import type { TraceSummary } from "../../model/trace-summary.ts";
import { useWidth } from "../shell/use-width.ts";

const HEIGHT = 170;
const LEFT = 64;
const BOTTOM = 22;
const TOP = 10;

interface Point {
  x: number;
  y: number;
  trace: TraceSummary;
}

/** When and how long, the length on a logarithmic scale. The list below says the same, for those who do not point. */
export function Scatter({ traces }: { traces: readonly TraceSummary[] }) {
  const { width, measure } = useWidth(900);
  const begins = traces.map((trace) => trace.begin);
  const first = Math.min(...begins);
  const last = Math.max(...begins, first + 1);
  const lengths = traces.map(lengthOf);
  const low = Math.floor(Math.log10(Math.min(...lengths)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...lengths))), low + 1);
  const across = (begin: number) => LEFT + 8 + ((begin - first) / (last - first)) * (width - LEFT - 20);
  const up = (length: number) =>
    HEIGHT - BOTTOM - ((Math.log10(length) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const points = traces.map((trace): Point => ({ x: across(trace.begin), y: up(lengthOf(trace)), trace }));
  const grid = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  const now = Date.now();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list below has a link to each of these
    <svg
      class="scatter"
      ref={measure}
      height={HEIGHT}
      role="img"
      onClick={(event) => openNearest(event, points)}
    >
      <title>{`${traces.length} traces by their begin and response time`}</title>
      {grid.map((length) => (
        <g key={length}>
          <line class="grid" x1={LEFT} x2={width} y1={up(length)} y2={up(length)} />
          <text class="axis end" x={LEFT - 6} y={up(length) + 4}>
            {duration(length)}
          </text>
        </g>
      ))}
      <text class="axis" x={LEFT} y={HEIGHT - 4}>
        {moment(first, now)}
      </text>
      <text class="axis end" x={width - 4} y={HEIGHT - 4}>
        {moment(last, now)}
      </text>
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

/** The response time, or else the whole one; for a logarithmic scale it is more than nought. */
function lengthOf({ response, whole }: TraceSummary): number {
  return Math.max(response ?? whole, 0.01);
}

/** Pixels within which a click means a point. */
const REACH = 14;

function openNearest(event: MouseEvent, points: readonly Point[]): void {
  const svg = event.currentTarget;
  if (!(svg instanceof SVGSVGElement)) return;
  const box = svg.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  let nearest: { distance: number; id: string } | undefined;
  for (const point of points) {
    const distance = Math.hypot(point.x - x, point.y - y);
    if (distance <= REACH && distance < (nearest?.distance ?? REACH + 1))
      nearest = { distance, id: point.trace.id };
  }
  if (nearest) location.hash = link("trace", {}, nearest.id);
}
