import { useSignal } from "@preact/signals";
import { type LoadPlan, planInput, readPlan } from "../../model/load-plan.ts";
import { isActive } from "../../model/load-runs.ts";
import { isGatewayRun, limits, run, start, stop } from "../../state/load.ts";
import { refine, route } from "../../state/route.ts";

const FIELDS: readonly { key: keyof LoadPlan; label: string; hint: string }[] = [
  { key: "users", label: "users", hint: "concurrent" },
  { key: "seconds", label: "seconds", hint: "duration" },
  { key: "requests", label: "requests", hint: "total, optional" },
  { key: "rate", label: "rate", hint: "per second; empty: no limit" },
];

export function LoadForm() {
  const input = planInput(route.value?.query ?? {}, limits.value);
  const problems = useSignal<string[]>([]);
  const state = run.value?.state;
  const submit = (event: Event) => {
    event.preventDefault();
    const read = readPlan(planInput(route.value?.query ?? {}, limits.value), limits.value);
    problems.value = "problems" in read ? read.problems : [];
    if ("plan" in read) void start(read.plan);
  };
  return (
    <form class="load-form" onSubmit={submit} noValidate>
      {FIELDS.map(({ key, label, hint }) => (
        <label key={key}>
          <span>
            {label} <span class="quiet">{hint}</span>
          </span>
          <input
            type="number"
            inputMode="numeric"
            min={limits.value[key].min}
            max={limits.value[key].max}
            value={input[key]}
            // An empty value is kept: it means no limit in seconds.
            onInput={(event) => refine({ ...withSeconds(input), [key]: event.currentTarget.value.trim() })}
          />
        </label>
      ))}
      {isActive(state) ? (
        <button type="button" class="primary" disabled={state === "stopping"} onClick={stop}>
          {state === "stopping" ? "Stopping…" : "Stop"}
        </button>
      ) : (
        <button type="submit" class="primary" disabled={isGatewayRun.value === undefined}>
          Start
        </button>
      )}
      {problems.value.length > 0 && (
        <p class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>
          {problems.value.join(" ")}
        </p>
      )}
    </form>
  );
}

function withSeconds({ seconds }: Record<keyof LoadPlan, string>) {
  return { seconds };
}
