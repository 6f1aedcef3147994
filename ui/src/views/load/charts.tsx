import { count, duration } from "../../model/format.ts";
import { type Bin, logBounds, logTicks, roundBounds, ticks } from "../../model/histogram.ts";
import { type Second, unbroken } from "../../model/load-report.ts";
import { useWidth } from "../shell/use-width.ts";

const HEIGHT = 190;
const LEFT = 58;
const BOTTOM = 24;
const TOP = 8;
const FLOOR = HEIGHT - BOTTOM;

/** In seconds: a rate over less says nothing. */
const MIN_LENGTH = 0.1;

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
      <Grid width={whole} marks={linear(max)} />
      {bins.map(({ from, count: times }, index) => (
        <rect
          key={from}
          class="column"
          x={LEFT + index * width + 1}
          width={Math.max(Math.min(width - 2, 40), 1)}
          y={FLOOR - (times / max) * (FLOOR - TOP)}
          height={(times / max) * (FLOOR - TOP)}
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

/** Requests that ended in each second. */
export function RateChart({ seconds, length }: { seconds: readonly Second[]; length: number }) {
  const { width: whole, measure } = useWidth(560);
  const rates = seconds.map((row) => {
    const failed = row.errors.reduce((sum, [, count]) => sum + count, 0);
    const perSecond = (count: number) => count / Math.max(row.length, MIN_LENGTH);
    return { row, all: perSecond(row.requests), failed: perSecond(failed) };
  });
  const max = Math.max(...rates.map(({ all }) => all), 1);
  const x = scale(length, whole);
  const height = (value: number) => (value / max) * (FLOOR - TOP);
  const failures = rates.filter(({ failed }) => failed > 0).length;
  const gaps = rates.filter(({ all }) => all === 0).length;
  const label = `Requests per second over ${Math.round(length)} seconds; failures in ${failures}, no answer in ${gaps} of them`;
  return (
    <svg class="chart-svg" ref={measure} height={HEIGHT} role="img">
      <title>{label}</title>
      <Grid width={whole} marks={linear(max)} />
      <TimeAxis length={length} x={x} />
      {rates.map(({ row, all, failed }) => {
        const left = x(row.second);
        const width = Math.max(x(row.second + row.length) - left - 1, 0.8);
        return (
          <g key={row.second}>
            <title>{describe(row)}</title>
            <rect
              class="column"
              x={left}
              width={width}
              y={FLOOR - height(all)}
              height={height(all - failed)}
            />
            <rect
              class="column failed"
              x={left}
              width={width}
              y={FLOOR - height(failed)}
              height={height(failed)}
            />
          </g>
        );
      })}
    </svg>
  );
}

/**
 * p50 and p99 of each second, on a logarithmic scale: an outage of seconds would flatten the milliseconds around it. A second
 * without an answer interrupts the lines.
 */
export function LatencyChart({ seconds, length }: { seconds: readonly Second[]; length: number }) {
  const { width: whole, measure } = useWidth(560);
  const max = Math.max(...seconds.map((row) => row.p99 ?? 0), 0.1);
  const [low, high] = logBounds(Math.min(...seconds.map((row) => row.p50 ?? max)), max);
  const x = scale(length, whole);
  const at = (row: Second) => x(row.second + row.length / 2);
  const y = (value: number) =>
    FLOOR - (Math.log(Math.max(value, low) / low) / Math.log(high / low)) * (FLOOR - TOP);
  const answered = unbroken(seconds);
  const gaps = seconds.length - answered.reduce((sum, rows) => sum + rows.length, 0);
  const last = answered.at(-1)?.at(-1);
  return (
    <svg class="chart-svg" ref={measure} height={HEIGHT} role="img">
      <title>
        {`p50 and p99 over ${Math.round(length)} seconds; highest p99 ${duration(max)}; ${gaps} seconds without an answer`}
      </title>
      <Grid
        width={whole}
        marks={logTicks(low, high).map((value) => ({ y: y(value), label: duration(value) }))}
      />
      <TimeAxis length={length} x={x} />
      {(["p99", "p50"] as const).map((name) =>
        answered.map((rows) => (
          <Line
            key={`${name}-${rows[0]?.second}`}
            name={name}
            points={rows.map((row) => [at(row), y(row[name] ?? 0)])}
          />
        )),
      )}
      {last && (
        <>
          <text class="axis strong" x={at(last) + 4} y={Math.min(y(last.p99 ?? 0), FLOOR - 16) + 4}>
            p99
          </text>
          <text
            class="axis strong"
            x={at(last) + 4}
            y={
              Math.max(Math.min(y(last.p50 ?? 0), FLOOR - 2), Math.min(y(last.p99 ?? 0), FLOOR - 16) + 14) + 4
            }
          >
            p50
          </text>
        </>
      )}
    </svg>
  );
}

/** A single second between two gaps has no line, so it is a point. */
function Line({ name, points }: { name: string; points: [number, number][] }) {
  const [only] = points;
  if (points.length === 1 && only)
    return <circle class={`point ${name}`} cx={only[0]} cy={only[1]} r={2.5} />;
  return (
    <polyline
      class={`line ${name}`}
      points={points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}
    />
  );
}

function TimeAxis({ length, x }: { length: number; x: (second: number) => number }) {
  return (
    <>
      {ticks(length, 5).map((second) => (
        <text key={second} class="axis" x={x(second)} y={HEIGHT - 6}>
          {second} s
        </text>
      ))}
    </>
  );
}

function scale(length: number, width: number): (second: number) => number {
  return (second) => LEFT + (second / Math.max(length, MIN_LENGTH)) * (width - LEFT - 34);
}

function describe({ second, requests, errors, p50, p99 }: Second): string {
  const failed = errors.map(([outcome, times]) => `, ${times} × ${outcome}`).join("");
  const latency = p50 === undefined ? "" : `, p50 ${duration(p50)}, p99 ${duration(p99)}`;
  return `${second} s: ${count(requests, "request")}${failed}${latency}`;
}

interface Mark {
  y: number;
  label: string;
}

function linear(max: number): Mark[] {
  return ticks(max, 4).map((value) => ({
    y: FLOOR - (value / max) * (FLOOR - TOP),
    label: value.toLocaleString("en"),
  }));
}

function Grid({ width, marks }: { width: number; marks: Mark[] }) {
  return (
    <g>
      {marks.map(({ y, label }) => (
        <g key={label}>
          <line class="grid" x1={LEFT} x2={width} y1={y} y2={y} />
          <text class="axis end" x={LEFT - 6} y={y + 4}>
            {label}
          </text>
        </g>
      ))}
    </g>
  );
}
