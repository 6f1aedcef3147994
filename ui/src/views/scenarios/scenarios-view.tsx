import { useEffect } from "preact/hooks";
import { age, count } from "../../model/format.ts";
import { isActive } from "../../model/load-runs.ts";
import type { Run, Scenario } from "../../model/scenarios.ts";
import { api } from "../../state/api.ts";
import { now } from "../../state/mesh.ts";
import { commandFailure, follow, scenarios, start, stop } from "../../state/scenarios.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { Timeline } from "./timeline.tsx";
import "../../styles/scenarios.css";

/** Drills of the whole mesh. The page loads this file when it is opened. */
export function ScenariosView() {
  const base = api.value;
  // Another gateway has scenarios of its own.
  useEffect(follow, [base]);
  const { data, failure, at } = scenarios.value;
  const isRunning = isActive(data?.run?.state);
  return (
    <div class="scenarios-view">
      <h1>Scenarios</h1>
      {!data && !failure && <p class="quiet">Loading the scenarios…</p>}
      {failure && !data && <FailureBox failure={failure} />}
      {failure && data && <StaleNote failure={failure} age={age(now.value - (at ?? now.value))} />}
      {commandFailure.value && <FailureBox failure={commandFailure.value} />}
      {data && !data.available && (
        <p class="note quiet">
          Scenarios cannot be started here: {data.reason ?? "the gateway gives no reason"}.
        </p>
      )}
      {data?.run && <RunSection run={data.run} />}
      {data?.available && <Choice scenarios={data.scenarios} isRunning={isRunning} />}
    </div>
  );
}

/** What can run against this mesh, and what cannot. */
function Choice({ scenarios, isRunning }: { scenarios: readonly Scenario[]; isRunning: boolean }) {
  const possible = scenarios.filter(({ refused }) => refused.length === 0);
  const others = scenarios.filter(({ refused }) => refused.length > 0);
  return (
    <section aria-label="Choice">
      <h2>Scenarios for this mesh</h2>
      <p class="note quiet">
        A scenario sends load to this mesh and sets faults in it, and judges what it expects. One runs at a
        time; everybody sees it here, and it continues when this page is closed.
      </p>
      <ul class="scenario-list">
        {possible.map(({ name, title, seconds }) => (
          <li key={name}>
            <div>
              <h3>{name}</h3>
              <p>
                {title} <span class="quiet">· {length(seconds)}</span>
              </p>
            </div>
            <button
              type="button"
              disabled={isRunning}
              aria-label={`Start ${name}`}
              onClick={() => void start(name)}
            >
              Start
            </button>
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <details>
          <summary>
            {count(others.length, "scenario")} {others.length === 1 ? "needs" : "need"} a mesh of{" "}
            {others.length === 1 ? "its" : "their"} own
          </summary>
          <p class="note quiet">
            <code>octet scenario run NAME</code> starts such a mesh.
          </p>
          <ul class="scenario-list">
            {others.map(({ name, title, refused }) => (
              <li key={name}>
                <div>
                  <h3>{name}</h3>
                  <p>{title}</p>
                  {refused.map((line) => (
                    <p class="quiet" key={line}>
                      <bdi>{line}</bdi>
                    </p>
                  ))}
                </div>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function length(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${seconds / 60} min`;
}

const VERDICTS = {
  held: { mark: "✓", words: "Held: every expectation that was judged was met." },
  broken: { mark: "✕", words: "Broken: an expectation was not met." },
  unjudged: { mark: "–", words: "Could not be judged" },
};

function RunSection({ run }: { run: Run }) {
  const { report, state, failure } = run;
  const isRunning = isActive(state);
  return (
    <section aria-label="Run">
      <div class="run-head">
        <div>
          <h2>{run.scenario}</h2>
          <p>{report?.title}</p>
        </div>
        {isRunning && (
          <button type="button" class="primary" disabled={state === "stopping"} onClick={() => void stop()}>
            {state === "stopping" ? "Stopping…" : "Stop"}
          </button>
        )}
      </div>
      {/* Announced only at the end: a screen reader would never finish otherwise. */}
      <p class={`verdict ${verdictClass(run)}`} role={isRunning ? undefined : "status"}>
        {words(run)}
      </p>
      {failure !== undefined && (
        <p class="trouble">
          <span aria-hidden="true">✕ </span>
          <bdi>{failure}</bdi>
        </p>
      )}
      {report && report.lasting > 0 && <Timeline report={report} />}
    </section>
  );
}

function verdictClass({ state, report }: Run): string {
  if (state === "failed" || report?.verdict === "broken") return "trouble";
  return report?.verdict === "held" ? "good" : "";
}

function words({ state, report }: Run): string {
  const seconds = (milliseconds: number) => Math.round(milliseconds / 1000);
  if (state === "failed") return "✕ Failed";
  if (state === "stopped") return "– Stopped: nothing was judged.";
  if (state === "stopping") return "Stopping…";
  if (report?.verdict) {
    const { mark, words: text } = VERDICTS[report.verdict];
    return `${mark} ${text}${report.reason === undefined ? "" : `: ${report.reason}`}`;
  }
  if (report?.state === "judging") return "The load is over. Queues drain, and the answers are audited…";
  if (report?.elapsed === undefined) return "Starting…";
  return `Running: ${seconds(report.elapsed)} s of ${seconds(report.lasting)} s`;
}
