import { useSignal } from "@preact/signals";
import { count, duration, inMilliseconds } from "../../model/format.ts";
import { zonedMoment } from "../../model/time.ts";
import type { Trace } from "../../model/trace-tree.ts";
import type { Span } from "../../model/zipkin.ts";

/** Summary of the whole trace, with copy and download. */
export function TraceHeader({
  trace,
  spans,
  isFromFile,
}: {
  trace: Trace;
  spans: readonly Span[];
  isFromFile: boolean;
}) {
  const isCopied = useSignal(false);
  const copy = async () => {
    // Browsers offer no clipboard over http:// except on localhost; the id can still be selected.
    await navigator.clipboard?.writeText(trace.id);
    isCopied.value = navigator.clipboard !== undefined;
  };
  return (
    <header class="trace-facts">
      <p class="trace-id">
        <code>{trace.id}</code>
        <button type="button" onClick={() => void copy()}>
          {isCopied.value ? "Copied" : "Copy id"}
        </button>
        <button type="button" onClick={() => download(trace.id, spans)}>
          Download JSON
        </button>
        {isFromFile && <span class="quiet">from a file</span>}
      </p>
      <dl>
        <Fact name="response time" value={duration(inMilliseconds(trace.responseTime))} />
        <Fact name="total duration" value={duration(trace.duration / 1000)} />
        <Fact name="started" value={zonedMoment(trace.start / 1000, Date.now())} />
        <Fact name="spans" value={String(spans.length)} />
        <Fact name="services" value={String(trace.services.length)} />
        <Fact
          name="errors"
          value={trace.errors === 0 ? "none" : `✕ ${trace.errors}`}
          isBad={trace.errors > 0}
        />
      </dl>
      {trace.missingParents > 0 && (
        <p class="warning">
          ⚠ {count(trace.missingParents, "span")} without {trace.missingParents === 1 ? "its" : "their"}{" "}
          parent span: it was not reported, not sampled, or has not arrived yet. Shown without indentation.
        </p>
      )}
      {trace.skewed > 0 && (
        <p class="warning">
          ⚠ {count(trace.skewed, "span")} {trace.skewed === 1 ? "starts" : "start"} before{" "}
          {trace.skewed === 1 ? "its" : "their"} parent: the hosts' clocks differ. Times are shown as
          reported.
        </p>
      )}
    </header>
  );
}

function Fact({ name, value, isBad }: { name: string; value: string; isBad?: boolean }) {
  return (
    <div class={isBad ? "trouble" : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Zipkin v2 JSON, which Zipkin, Jaeger and this page can open. */
function download(id: string, spans: readonly Span[]): void {
  const json = JSON.stringify(spans.map(toZipkin), null, 1);
  const url = URL.createObjectURL(new Blob([json], { type: "application/json" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = `trace-${id}.json`;
  anchor.click();
  URL.revokeObjectURL(url);
}

function toZipkin(span: Span) {
  const { service, remoteService, shared, ...rest } = span;
  return {
    ...rest,
    localEndpoint: service === "" ? undefined : { serviceName: service },
    remoteEndpoint: remoteService === undefined ? undefined : { serviceName: remoteService },
    ...(shared ? { shared } : {}),
  };
}
