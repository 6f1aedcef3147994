import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { addressOf, canClear, effectsAt, type Fault, timeLeft } from "../../model/faults.ts";
import { count } from "../../model/format.ts";
import type { Graph } from "../../model/topology.ts";
import { add, clear, clearAll, failure, faults, load, refusal, token } from "../../state/faults.ts";
import { now } from "../../state/mesh.ts";
import { poll } from "../../state/poll.ts";
import { FailureBox } from "../shell/failure.tsx";

/** Milliseconds from a list to the next request. */
const REFRESH_MS = 2_000;

const DURATIONS: [name: string, seconds: number][] = [
  ["30 s", 30],
  ["1 min", 60],
  ["5 min", 300],
  ["10 min", 600],
  ["1 h", 3600],
];

/** Faults of the whole mesh. The page loads this file when it is opened. */
export function Faults({ graph, selected }: { graph: Graph; selected: string | undefined }) {
  const at = addressOf(selected, graph);
  useEffect(() => {
    refusal.value = undefined;
    return poll(load, () => REFRESH_MS).stop;
  }, []);
  const state = faults.value;
  return (
    <section class="faults" aria-label="Faults">
      <h2>Faults</h2>
      {failure.value && <FailureBox failure={failure.value} />}
      {refusal.value && <FailureBox failure={refusal.value} />}
      {!state && !failure.value && <p class="quiet">Loading the faults…</p>}
      {state && !state.available && <p class="note quiet">No faults can be set here: {state.reason}.</p>}
      {state?.needsToken && <Token />}
      {state?.available && (
        <>
          <Form key={at} at={at} />
          <List faults={state.faults} />
          {state.failed.map((line) => (
            <p class="trouble" key={line}>
              <span aria-hidden="true">✕ </span>
              <bdi>{line}</bdi>
            </p>
          ))}
        </>
      )}
    </section>
  );
}

function Token() {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        token.value = new FormData(event.currentTarget).get("token")?.toString() ?? "";
        void load();
      }}
    >
      <label>
        ADMIN_TOKEN <input type="password" name="token" autocomplete="off" />
      </label>
      <button type="submit">Use</button>
    </form>
  );
}

function Form({ at: selected }: { at: string }) {
  const at = useSignal(selected);
  const effects = effectsAt(at.value);
  const effect = useSignal("abort");
  const value = useSignal("UNAVAILABLE");
  const share = useSignal("100%");
  const seconds = useSignal(300);
  const isBusy = useSignal(false);
  const choose = (name: string) => {
    effect.value = name;
    value.value = effects.find(([other]) => other === name)?.[1] ?? "";
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    await add({
      at: at.value,
      effect: effect.value,
      value: value.value,
      share: share.value,
      seconds: seconds.value,
    });
    isBusy.value = false;
  };
  return (
    <form onSubmit={submit}>
      <label>
        at{" "}
        <input
          required
          placeholder="select a node or an edge"
          value={at.value}
          onInput={({ currentTarget }) => {
            at.value = currentTarget.value.trim();
            if (!effectsAt(at.value).some(([name]) => name === effect.value)) choose("abort");
          }}
        />
      </label>
      <label>
        effect{" "}
        <select value={effect.value} onChange={({ currentTarget }) => choose(currentTarget.value)}>
          {effects.map(([name]) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {value.value !== "true" && (
        <label>
          value{" "}
          <input
            required
            value={value.value}
            onInput={({ currentTarget }) => {
              value.value = currentTarget.value;
            }}
          />
        </label>
      )}
      <label>
        share{" "}
        <input
          size={5}
          value={share.value}
          onInput={({ currentTarget }) => {
            share.value = currentTarget.value.trim();
          }}
        />
      </label>
      <label>
        for{" "}
        <select
          value={seconds.value}
          onChange={({ currentTarget }) => {
            seconds.value = Number(currentTarget.value);
          }}
        >
          {DURATIONS.map(([name, of]) => (
            <option key={name} value={of}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary" disabled={isBusy.value}>
        Set fault
      </button>
    </form>
  );
}

function List({ faults }: { faults: readonly Fault[] }) {
  if (faults.length === 0) return <p class="quiet">No faults are active.</p>;
  return (
    <>
      <ul aria-label="Active faults">
        {faults.map((fault, index) => (
          // Equal faults may stand beside each other.
          <li key={`${fault.fault}/${index}`}>
            <code>{fault.fault}</code> acted {count(fault.acted, "time")}
            {canClear(fault) ? (
              <>
                {" · ends in "}
                <span role="timer">{timeLeft(fault, now.value)}</span>{" "}
                <button
                  type="button"
                  class="plain"
                  aria-label={`Clear ${fault.fault}`}
                  onClick={() => clear(fault)}
                >
                  ✕
                </button>
              </>
            ) : (
              ` · from the ${fault.source}`
            )}
          </li>
        ))}
      </ul>
      {faults.some(canClear) && (
        <button type="button" onClick={() => clearAll()}>
          Clear all
        </button>
      )}
    </>
  );
}
