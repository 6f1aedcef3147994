import { count, duration, percent } from "../../model/format.ts";
import { LIMITS } from "../../model/load-plan.ts";
import type { LoadReport } from "../../model/load-report.ts";
import { toCsv } from "../../model/load-report.ts";
import type { Summary } from "../../model/percentiles.ts";
import { link } from "../../model/route.ts";
import { lastSamples, type Run, run } from "../../state/load.ts";
import { HistogramChart, OverTimeChart } from "./charts.tsx";
import { LoadForm } from "./load-form.tsx";

export function LoadView() {
  const shown = run.value;
  return (
    <div class="load-view">
      <h1>Load</h1>
      <LoadForm />
      <p class="note quiet">
        A browser opens about six HTTP/1.1 connections to a host: of more users, the rest wait in the browser.
        Times are from a request's being sent to its answer's first byte, without that wait, which is told
        beside them.
      </p>
      {shown ? (
        <Result run={shown} />
      ) : (
        <p class="empty">Nothing was measured yet. Start sends greetings from this tab.</p>
      )}
    </div>
  );
}

function Result({ run }: { run: Run }) {
  const { report, elapsed } = run;
  return (
    <section aria-label="What was measured">
      <Progress run={run} />
      {report.count > 0 && (
        <>
          <div class="figures-row">
            <Big name="requests a second" value={report.perSecond.toFixed(report.perSecond < 10 ? 1 : 0)} />
            <Big name="p50" value={duration(report.latency?.p50)} />
            <Big name="p99" value={duration(report.latency?.p99)} />
            <Big
              name="failed"
              value={report.bad === 0 ? "none" : `✕ ${percent(report.bad, report.count)}`}
              isBad={report.bad > 0}
            />
          </div>
          {!report.isOnTheWire && run.state !== "running" && (
            <p class="warning">
              ⚠ The browser did not tell when each request was sent (another origin must send
              Timing-Allow-Origin): some times are with the wait for a connection.
            </p>
          )}
          <div class="charts">
            {report.bins.length > 0 && (
              <figure>
                <figcaption>Requests by duration (logarithmic)</figcaption>
                <HistogramChart bins={report.bins} />
              </figure>
            )}
            {report.overTime.length > 1 && (
              <figure>
                <figcaption>Duration over time</figcaption>
                <OverTimeChart slices={report.overTime} seconds={elapsed / 1000} />
              </figure>
            )}
          </div>
          <div class="tables">
            <Percentiles report={report} />
            <Statuses report={report} />
            <Slowest report={report} />
          </div>
          {run.state !== "running" && <Export run={run} />}
        </>
      )}
    </section>
  );
}

const STATES = { running: "Running", ended: "Done", stopped: "Stopped" };

function Progress({ run }: { run: Run }) {
  const { state, plan, elapsed, report } = run;
  const shares = [
    plan.seconds === undefined ? 0 : elapsed / (plan.seconds * 1000),
    plan.requests === undefined ? 0 : report.count / plan.requests,
  ];
  const share = state === "ended" ? 1 : Math.min(Math.max(...shares), 1);
  return (
    <div class="progress">
      <progress value={share} aria-label="Progress" />
      {/* Not with each step: a reader would never end. */}
      <p role={state === "running" ? undefined : "status"}>
        {STATES[state]}: {count(report.count, "request")} in {duration(elapsed)}, {count(plan.users, "user")}
        {plan.rate !== undefined && `, at most ${plan.rate}/s`}
        {state === "ended" && report.count === LIMITS.requests.most && ", the most that a tab keeps"}
      </p>
    </div>
  );
}

function Big({ name, value, isBad }: { name: string; value: string; isBad?: boolean }) {
  return (
    <p class={`big${isBad ? " trouble" : ""}`}>
      <span class="quiet">{name}</span> <strong>{value}</strong>
    </p>
  );
}

const RANKS: readonly { name: string; of: keyof Summary }[] = [
  { name: "least", of: "least" },
  { name: "mean", of: "mean" },
  { name: "p50", of: "p50" },
  { name: "p90", of: "p90" },
  { name: "p95", of: "p95" },
  { name: "p99", of: "p99" },
  { name: "most", of: "most" },
];

function Percentiles({ report }: { report: LoadReport }) {
  const { latency, waited } = report;
  return (
    <table>
      <caption>Good answers</caption>
      <thead>
        <tr>
          <th scope="col">rank</th>
          <th scope="col" class="number">
            took
          </th>
          <th scope="col" class="number">
            waited for a connection
          </th>
        </tr>
      </thead>
      <tbody>
        {RANKS.map(({ name, of }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{duration(latency?.[of])}</td>
            <td class="number">{duration(waited?.[of])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Statuses({ report }: { report: LoadReport }) {
  return (
    <table>
      <caption>Answers</caption>
      <thead>
        <tr>
          <th scope="col">status</th>
          <th scope="col" class="number">
            count
          </th>
        </tr>
      </thead>
      <tbody>
        {report.statuses.map(([status, times]) => (
          <tr key={status} class={status.startsWith("2") ? undefined : "trouble"}>
            <th scope="row">
              {!status.startsWith("2") && <span aria-hidden="true">✕ </span>}
              {status}
            </th>
            <td class="number">{times.toLocaleString("en")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Slowest({ report }: { report: LoadReport }) {
  return (
    <table>
      <caption>The slowest</caption>
      <thead>
        <tr>
          <th scope="col" class="number">
            took
          </th>
          <th scope="col">trace</th>
        </tr>
      </thead>
      <tbody>
        {report.slowest.map(({ took, traceId, at }) => (
          <tr key={`${at}-${took}`}>
            <td class="number">{duration(took)}</td>
            <td>
              {traceId ? (
                <a href={link("trace", {}, traceId)}>
                  <code>{traceId}</code>
                </a>
              ) : (
                <span class="quiet">none</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Export({ run }: { run: Run }) {
  const { plan, base, elapsed, report } = run;
  const json = () => JSON.stringify({ plan, base, elapsed, report, samples: lastSamples() }, null, 1);
  return (
    <p class="export">
      <button type="button" onClick={() => save("octet-load.json", "application/json", json())}>
        Export JSON
      </button>
      <button type="button" onClick={() => save("octet-load.csv", "text/csv", toCsv(lastSamples()))}>
        Export CSV
      </button>
    </p>
  );
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(url);
}
