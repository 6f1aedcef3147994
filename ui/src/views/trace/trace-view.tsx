import { useEffect, useMemo } from "preact/hooks";
import { Failure } from "../../client/failure.ts";
import { fullTraceId } from "../../model/ids.ts";
import { buildTrace } from "../../model/trace-tree.ts";
import { traceFeed } from "../../state/trace.ts";
import { backToTraces, opened } from "../../state/traces.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { Facts } from "./facts.tsx";
import { Waterfall } from "./waterfall.tsx";

export function TraceView({ id }: { id: string }) {
  const full = fullTraceId(id);
  return (
    <div class="trace-view">
      <p class="back">
        <a href={backToTraces.value}>← Traces</a>
      </p>
      <h1 class="sr-only">Trace</h1>
      {full ? <Loaded id={full} /> : <FailureBox failure={notAnId(id)} />}
    </div>
  );
}

function Loaded({ id }: { id: string }) {
  const { feed, start } = useMemo(() => traceFeed(id), [id]);
  useEffect(start, [start]);
  const { data, failure, isAsking } = feed.value;
  const trace = useMemo(() => data && buildTrace(data), [data]);
  if (!data || !trace) {
    if (failure && !isAsking) return <FailureBox failure={failure} />;
    return (
      <p class="quiet" role="status">
        Asking for the trace…
      </p>
    );
  }
  return (
    <>
      {failure && <StaleNote failure={failure} age="before" />}
      <Facts trace={trace} spans={data} isFromFile={opened.value.has(id)} />
      <Waterfall trace={trace} />
    </>
  );
}

function notAnId(id: string): Failure {
  return new Failure("refused", `#/trace/${id}`, "That is no trace id", {
    status: "not asked",
    cause: "A trace id has 32 hexadecimal digits, or 16 from older tracers.",
  });
}
