import { duration, durationsOnAxis } from "../../model/format.ts";
import { type Bin, roundBounds, ticks } from "../../model/histogram.ts";
import type { Slice } from "../../model/load-report.ts";
import { useWidth } from "../shell/use-width.ts";

const HEIGHT = 190;
const LEFT = 58;
const BOTTOM = 24;
const TOP = 8;
const FLOOR = HEIGHT - BOTTOM;

/** Pixels per label of the duration axis. */
const LABEL_WIDTH = 56;

/** Requests by duration, on a logarithmic scale. */
export function HistogramChart({ bins }: { bins: readonly Bin[] }) {
  const { width: whole, measure } = useWidth(560);
  const max = Math.max(...bins.map((bin) => bin.count), 1);
  const width = (whole - LEFT - 24) / bins.length;
  return (
    <svg class="chart-svg" ref={measure} height={HEIGHT} role="img">
      <title>{`Requests by duration, from ${duration(bins[0]?.from)} to ${duration(bins.at(-1)?.to)}`}</title>
      <Grid width={whole} max={max} text={(values) => values.map((value) => value.toLocaleString("en"))} />
      {bins.map(({ from, count }, index) => (
        <rect
          key={from}
          class="column"
          x={LEFT + index * width + 1}
          width={Math.max(Math.min(width - 2, 40), 1)}
          y={FLOOR - (count / max) * (FLOOR - TOP)}
          height={(count / max) * (FLOOR - TOP)}
        />
      ))}
      {roundBounds(bins, LABEL_WIDTH / width).map(({ index, value }) => (
        <text key={value} class="axis middle" x={LEFT + index * width} y={HEIGHT - 6}>
          {duration(value)}
        </text>
      ))}
    </svg>
  );
}

/** p50 and p99 over the run. */
export function OverTimeChart({ slices, seconds }: { slices: readonly Slice[]; seconds: number }) {
  const { width: whole, measure } = useWidth(560);
  const max = Math.max(...slices.map((slice) => slice.p99), 0.1);
  const x = (at: number) => LEFT + (at / (seconds * 1000)) * (whole - LEFT - 34);
  const y = (value: number) => FLOOR - (value / max) * (FLOOR - TOP);
  const line = (value: (slice: Slice) => number) =>
    slices.map((slice) => `${x(slice.at).toFixed(1)},${y(value(slice)).toFixed(1)}`).join(" ");
  const last = slices.at(-1);
  return (
    <svg class="chart-svg" ref={measure} height={HEIGHT} role="img">
      <title>{`p50 and p99 over ${Math.round(seconds)} seconds; highest p99 ${duration(max)}`}</title>
      <Grid width={whole} max={max} text={(values) => durationsOnAxis(values)} />
      {ticks(seconds, 5).map((second) => (
        <text key={second} class="axis" x={x(second * 1000)} y={HEIGHT - 6}>
          {second} s
        </text>
      ))}
      <polyline class="line p99" points={line((slice) => slice.p99)} />
      <polyline class="line p50" points={line((slice) => slice.p50)} />
      {last && (
        <>
          <text class="axis strong" x={x(last.at) + 4} y={Math.min(y(last.p99), FLOOR - 16) + 4}>
            p99
          </text>
          <text
            class="axis strong"
            x={x(last.at) + 4}
            y={Math.max(Math.min(y(last.p50), FLOOR - 2), Math.min(y(last.p99), FLOOR - 16) + 14) + 4}
          >
            p50
          </text>
        </>
      )}
    </svg>
  );
}

function Grid({ width, max, text }: { width: number; max: number; text: (values: number[]) => string[] }) {
  const values = ticks(max, 4);
  const labels = text(values);
  return (
    <g>
      {values.map((value, index) => {
        const y = FLOOR - (value / max) * (FLOOR - TOP);
        return (
          <g key={value}>
            <line class="grid" x1={LEFT} x2={width} y1={y} y2={y} />
            <text class="axis end" x={LEFT - 6} y={y + 4}>
              {labels[index]}
            </text>
          </g>
        );
      })}
    </g>
  );
}
