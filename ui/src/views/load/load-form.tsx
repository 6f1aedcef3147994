import { useSignal } from "@preact/signals";
import { LIMITS, type LoadPlan, planInput, readPlan } from "../../model/load-plan.ts";
import { run, start, stop } from "../../state/load.ts";
import { refine, route } from "../../state/route.ts";

const FIELDS: readonly { key: keyof LoadPlan; label: string; hint: string }[] = [
  { key: "users", label: "users", hint: "concurrent" },
  { key: "seconds", label: "seconds", hint: "duration" },
  { key: "requests", label: "requests", hint: "total, optional" },
  { key: "rate", label: "rate", hint: "per second; empty: no limit" },
];

export function LoadForm() {
  const input = planInput(route.value?.query ?? {});
  const problems = useSignal<string[]>([]);
  const isRunning = run.value?.state === "running";
  const submit = (event: Event) => {
    event.preventDefault();
    const read = readPlan(planInput(route.value?.query ?? {}));
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
            min={LIMITS[key].min}
            max={LIMITS[key].max}
            value={input[key]}
            // An empty value is kept: it means no limit in seconds.
            onInput={(event) => refine({ ...withSeconds(input), [key]: event.currentTarget.value.trim() })}
          />
        </label>
      ))}
      {isRunning ? (
        <button type="button" class="primary" onClick={stop}>
          Stop
        </button>
      ) : (
        <button type="submit" class="primary">
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
