import { useEffect, useMemo } from "preact/hooks";
import { Failure } from "../../client/failure.ts";
import { fullTraceId } from "../../model/ids.ts";
import { buildTrace } from "../../model/trace-tree.ts";
import { traceFeed } from "../../state/trace.ts";
import { backToTraces, openedFiles } from "../../state/traces.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { TraceHeader } from "./trace-header.tsx";
import { Waterfall } from "./waterfall.tsx";

export function TraceView({ id }: { id: string }) {
  const full = fullTraceId(id);
  return (
    <div class="trace-view">
      <p class="back">
        <a href={backToTraces.value}>← Traces</a>
      </p>
      <h1 class="sr-only">Trace</h1>
      {full ? <Loaded id={full} /> : <FailureBox failure={invalidId(id)} />}
    </div>
  );
}

function Loaded({ id }: { id: string }) {
  const { feed, start } = useMemo(() => traceFeed(id), [id]);
  useEffect(start, [start]);
  const { data, failure, isLoading } = feed.value;
  const trace = useMemo(() => data && buildTrace(data), [data]);
  if (!data || !trace) {
    if (failure && !isLoading) return <FailureBox failure={failure} />;
    return (
      <p class="quiet" role="status">
        Loading the trace…
      </p>
    );
  }
  return (
    <>
      {failure && <StaleNote failure={failure} age="an earlier request" />}
      <TraceHeader trace={trace} spans={data} isFromFile={openedFiles.value.has(id)} />
      <Waterfall trace={trace} />
    </>
  );
}

function invalidId(id: string): Failure {
  return new Failure("error", `#/trace/${id}`, "Invalid trace id", {
    status: "not sent",
    cause: "A trace id has 32 hexadecimal digits, or 16 with 64-bit tracers.",
  });
}
