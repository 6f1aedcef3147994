import { useEffect, useMemo } from "preact/hooks";
import { type ComparedRow, compareTraces, type Side } from "../../model/compare.ts";
import { duration, inMilliseconds } from "../../model/format.ts";
import { fullTraceId } from "../../model/ids.ts";
import { link } from "../../model/route.ts";
import { zonedMoment } from "../../model/time.ts";
import { buildTrace, type Trace } from "../../model/trace-tree.ts";
import { route } from "../../state/route.ts";
import { traceFeed } from "../../state/trace.ts";
import { backToTraces } from "../../state/traces.ts";
import { FailureBox } from "../shell/failure.tsx";
import { ScrollRegion } from "../shell/scroll-region.tsx";

/** Beyond this, rows are omitted: the table is not virtual. */
const MAX_ROWS = 1_000;

/** Two traces: `#/compare/A?with=B`. */
export function CompareView({ id }: { id: string }) {
  const one = useTrace(fullTraceId(id) ?? "");
  const other = useTrace(fullTraceId(route.value?.query.with ?? "") ?? "");
  const rows = useMemo(
    () => (one.trace && other.trace ? compareTraces(one.trace, other.trace) : undefined),
    [one.trace, other.trace],
  );
  const failures = [one.failure, other.failure].filter((failure) => failure !== undefined);
  return (
    <div class="compare-view">
      <p class="back">
        <a href={backToTraces.value}>← Traces</a>
      </p>
      <h1>Compare traces</h1>
      {failures.map((failure) => (
        <FailureBox key={failure.url} failure={failure} />
      ))}
      {!rows && failures.length === 0 && <p class="quiet">Loading two traces…</p>}
      {rows && one.trace && other.trace && <Table rows={rows} one={one.trace} other={other.trace} />}
    </div>
  );
}

function useTrace(id: string) {
  const { feed, start } = useMemo(() => traceFeed(id), [id]);
  useEffect(start, [start]);
  const { data, failure } = feed.value;
  const trace = useMemo(() => data && buildTrace(data), [data]);
  return { trace, failure: data ? undefined : failure };
}

function Table({ rows, one, other }: { rows: ComparedRow[]; one: Trace; other: Trace }) {
  return (
    <ScrollRegion label="Spans of both traces">
      <table>
        <thead>
          <tr>
            <th scope="col">service · operation</th>
            <Head name="A" trace={one} />
            <Head name="B" trace={other} />
            <th scope="col" class="number">
              B − A
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MAX_ROWS).map((row, index) => (
            <tr key={index}>
              <th scope="row" style={{ "--depth": Math.min(row.depth, 24) }}>
                <b>
                  <bdi>{row.service || "?"}</bdi>
                </b>{" "}
                <bdi class="quiet">{row.name}</bdi>
              </th>
              <SideCell side={row.one} only="only in B" />
              <SideCell side={row.other} only="only in A" />
              <td class="number">{differenceOf(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MAX_ROWS && <p class="note">The first {MAX_ROWS} rows are shown.</p>}
    </ScrollRegion>
  );
}

function Head({ name, trace }: { name: string; trace: Trace }) {
  return (
    <th scope="col" class="number">
      {name}: <a href={link("trace", {}, trace.id)}>{trace.id.slice(0, 8)}…</a>
      <br />
      {duration(inMilliseconds(trace.responseTime))} · {zonedMoment(trace.start / 1000, Date.now())}
    </th>
  );
}

function SideCell({ side, only }: { side: Side | undefined; only: string }) {
  if (!side) return <td class="number quiet">{only}</td>;
  return (
    <td class={`number${side.errors > 0 ? " trouble" : ""}`}>
      {side.errors > 0 && <span aria-hidden="true">✕ </span>}
      {side.count > 1 && `${side.count} × `}
      {duration(side.duration / 1000)}
    </td>
  );
}

/** `+1.2 ms`; empty for a span in one trace only. */
function differenceOf({ one, other }: ComparedRow): string {
  if (!one || !other) return "";
  const difference = other.duration - one.duration;
  const sign = difference > 0 ? "+" : difference < 0 ? "−" : "";
  return sign + duration(Math.abs(difference) / 1000);
}
