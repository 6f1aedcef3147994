import type { Reason } from "../../client/failure.ts";
import { age, duration, percent, rate } from "../../model/format.ts";
import { type EdgeMetrics, windowSeconds } from "../../model/mesh.ts";
import { edgeId, GATEWAY } from "../../model/topology.ts";
import { health, isStale, lookback, measuredGraph, mesh, now, topology, trouble } from "../../state/mesh.ts";

/** Health, rate, errors, p99 and the age of the data, in every view. */
export function StatusBar() {
  const { data, at, failure } = mesh.value;
  const entry = topology.value.data?.entry;
  const metrics = entry ? measuredGraph.value?.metrics.get(edgeId(GATEWAY, entry)) : undefined;
  return (
    <dl class="status-bar" aria-label="Gateway status">
      <HealthItem />
      <Item name="rate" value={metrics && data ? rate(metrics.count, windowSeconds(data)) : "–"} />
      <Errors metrics={metrics} />
      <Item name="p99" value={duration(metrics?.p99)} />
      <Item
        name={`data, ${lookback.value}`}
        value={at === undefined ? "–" : age(now.value - at)}
        isBad={failure !== undefined && isStale(at, now.value) ? "stale" : undefined}
      />
    </dl>
  );
}

function Errors({ metrics }: { metrics: EdgeMetrics | undefined }) {
  if (!metrics) return <Item name="errors" value="–" />;
  const value = percent(metrics.errors, metrics.count);
  return <Item name="errors" value={value} isBad={metrics.errors > 0 ? "errors" : undefined} />;
}

/** Short texts for a failed health request. */
const FAILURE_TEXTS: Partial<Record<Reason, string>> = {
  unreachable: "gateway unreachable",
  cors: "blocked (CORS)",
  timeout: "timed out",
  unexpected: "not a gateway",
};

function HealthItem() {
  const { data, failure } = health.value;
  if (failure) return <Item name="health" value={FAILURE_TEXTS[failure.reason] ?? "unknown"} isBad="down" />;
  if (!data) return <Item name="health" value="…" />;
  if (trouble.value) return <Item name="health" value={trouble.value} isBad="down" />;
  if (data.status === "SERVING") return <Item name="health" value="serving" />;
  return <Item name="health" value={`${data.service}: ${data.status}`} isBad="down" />;
}

function Item({ name, value, isBad }: { name: string; value: string; isBad?: string | undefined }) {
  return (
    <div class={isBad ? "bad" : undefined}>
      <dt>{name}</dt>
      <dd>
        {isBad && <span aria-hidden="true">✕ </span>}
        {value}
      </dd>
    </div>
  );
}
