import { LOOKBACKS } from "../../model/route.ts";
import { LIMITS, problems } from "../../model/trace-query.ts";
import { ORDER_NAMES } from "../../model/trace-sort.ts";
import { REFRESH_MS } from "../../state/mesh.ts";
import { refine } from "../../state/route.ts";
import { isRefreshing, order, query, searchAgain, services, spanNames } from "../../state/traces.ts";
import { useDraft } from "../shell/use-draft.ts";

/** The search filters; every change goes into the URL. */
export function Filters() {
  const { service, remote, name, tag, min, max, lookback, limit } = query.value;
  const errors = problems(query.value);
  const submit = (event: Event) => {
    event.preventDefault();
    searchAgain();
  };
  return (
    <form class="filters" onSubmit={submit} aria-label="Filters">
      <Field label="service" value={service} name="service" options={services.value} />
      <Field label="span name" value={name} name="name" options={spanNames.value} />
      <Field label="tag" value={tag} name="tag" placeholder="error or key=value" />
      <Field label="min duration" value={min} name="min" placeholder="5ms" />
      <Field label="max duration" value={max} name="max" placeholder="1.5s" />
      <label>
        last
        <select value={lookback} onChange={(event) => refine({ lookback: event.currentTarget.value })}>
          {Object.keys(LOOKBACKS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        limit
        <select value={limit} onChange={(event) => refine({ limit: event.currentTarget.value })}>
          {LIMITS.map((count) => (
            <option key={count}>{count}</option>
          ))}
        </select>
      </label>
      <label>
        sort by
        <select value={order.value} onChange={(event) => refine({ sort: event.currentTarget.value })}>
          {ORDER_NAMES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <button type="submit">Search</button>
      <label class="check">
        <input
          type="checkbox"
          checked={isRefreshing.value}
          onChange={(event) => refine({ refresh: event.currentTarget.checked ? "on" : undefined })}
        />
        refresh every {REFRESH_MS / 1000} s
      </label>
      {remote !== "" && (
        <p class="chip">
          calls to <bdi>{remote}</bdi>{" "}
          <button
            type="button"
            class="plain"
            aria-label="Remove this filter"
            onClick={() => refine({ remote: undefined })}
          >
            ✕
          </button>
        </p>
      )}
      {errors.length > 0 && (
        <p class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>
          {errors.join(" ")}
        </p>
      )}
    </form>
  );
}

interface FieldProps {
  label: string;
  name: string;
  value: string;
  options?: string[];
  placeholder?: string;
}

function Field({ label, name, value, options = [], placeholder }: FieldProps) {
  const draft = useDraft(value);
  const list = `${name}-options`;
  return (
    <label>
      {label}
      <input
        value={draft.value}
        list={options.length > 0 ? list : undefined}
        placeholder={placeholder}
        spellcheck={false}
        onInput={(event) => {
          draft.value = event.currentTarget.value;
        }}
        onChange={() => refine({ [name]: draft.value.trim() })}
      />
      {options.length > 0 && (
        <datalist id={list}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </label>
  );
}
