import type { Reason } from "../../client/failure.ts";
import { age, duration, percent, rate } from "../../model/format.ts";
import { type Figures, faults, windowSeconds } from "../../model/mesh.ts";
import { edgeId, GATEWAY } from "../../model/topology.ts";
import { health, isStale, lookback, mesh, now, picture, topology } from "../../state/mesh.ts";

/** Health, rate, errors, p99 and the age of these, whichever view is shown. */
export function Vitals() {
  const { data, at, failure } = mesh.value;
  const entry = topology.value.data?.entry;
  const figures = entry ? picture.value?.figures.get(edgeId(GATEWAY, entry)) : undefined;
  return (
    <dl class="vitals" aria-label="The gateway, as it does now">
      <HealthItem />
      <Item name="rate" value={figures && data ? rate(figures.count, windowSeconds(data)) : "–"} />
      <Errors figures={figures} />
      <Item name="p99" value={duration(figures?.p99)} />
      <Item
        name={`data, ${lookback.value}`}
        value={at === undefined ? "–" : age(now.value - at)}
        isBad={failure !== undefined && isStale(at, now.value) ? "stale" : undefined}
      />
    </dl>
  );
}

function Errors({ figures }: { figures: Figures | undefined }) {
  if (!figures) return <Item name="errors" value="–" />;
  const value = percent(faults(figures), figures.count);
  return <Item name="errors" value={value} isBad={faults(figures) > 0 ? "errors" : undefined} />;
}

/** Why the gateway did not say how it does. */
const NOT_WELL: Partial<Record<Reason, string>> = {
  unreachable: "no gateway",
  cors: "kept from this page",
  late: "no answer in time",
  foreign: "not a gateway",
};

function HealthItem() {
  const { data, failure } = health.value;
  if (failure) return <Item name="health" value={NOT_WELL[failure.reason] ?? "not told"} isBad="down" />;
  if (!data) return <Item name="health" value="…" />;
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
