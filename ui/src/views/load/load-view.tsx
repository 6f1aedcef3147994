import { count, duration, percent } from "../../model/format.ts";
import { LIMITS } from "../../model/load-plan.ts";
import type { LoadReport } from "../../model/load-report.ts";
import { toCsv } from "../../model/load-report.ts";
import type { Summary } from "../../model/percentiles.ts";
import { link } from "../../model/route.ts";
import { lastSamples, type Run, run } from "../../state/load.ts";
import { ScrollRegion } from "../shell/scroll-region.tsx";
import { HistogramChart, OverTimeChart } from "./charts.tsx";
import { LoadForm } from "./load-form.tsx";

export function LoadView() {
  const current = run.value;
  return (
    <div class="load-view">
      <h1>Load</h1>
      <LoadForm />
      <p class="note quiet">
        A browser opens about six HTTP/1.1 connections per host; requests of further users wait in the
        browser. Durations are from sending a request to the first byte of its response. The wait for a
        connection is shown separately.
      </p>
      {current ? (
        <Result run={current} />
      ) : (
        <p class="empty">No results yet. Start sends GET /api/greeting from this tab.</p>
      )}
    </div>
  );
}

function Result({ run }: { run: Run }) {
  const { report, elapsed } = run;
  return (
    <section aria-label="Results">
      <Progress run={run} />
      {report.count > 0 && (
        <>
          <div class="metrics-row">
            <Big name="requests/s" value={report.perSecond.toFixed(report.perSecond < 10 ? 1 : 0)} />
            <Big name="p50" value={duration(report.latency?.p50)} />
            <Big name="p99" value={duration(report.latency?.p99)} />
            <Big
              name="failed"
              value={report.failed === 0 ? "none" : `✕ ${percent(report.failed, report.count)}`}
              isError={report.failed > 0}
            />
          </div>
          {report.includesWait && run.state !== "running" && (
            <p class="warning">
              ⚠ Some durations include the wait for a connection: the browser has no timing for these
              requests. A gateway at another origin must send Timing-Allow-Origin.
            </p>
          )}
          <div class="charts">
            {report.bins.length > 0 && (
              <figure>
                <figcaption>Requests by duration (logarithmic scale)</figcaption>
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
            <ScrollRegion label="Durations">
              <Percentiles report={report} />
            </ScrollRegion>
            <ScrollRegion label="Responses">
              <Statuses report={report} />
            </ScrollRegion>
            {report.slowest.length > 0 && (
              <ScrollRegion label="Slowest requests">
                <Slowest report={report} />
              </ScrollRegion>
            )}
          </div>
          {run.state !== "running" && <Export run={run} />}
        </>
      )}
    </section>
  );
}

const STATES = { running: "Running", done: "Done", stopped: "Stopped" };

function Progress({ run }: { run: Run }) {
  const { state, plan, elapsed, report } = run;
  const shares = [
    plan.seconds === undefined ? 0 : elapsed / (plan.seconds * 1000),
    plan.requests === undefined ? 0 : report.count / plan.requests,
  ];
  const share = state === "done" ? 1 : Math.min(Math.max(...shares), 1);
  return (
    <div class="progress">
      <progress value={share} aria-label="Progress" />
      {/* Announced only at the end: a screen reader would never finish otherwise. */}
      <p role={state === "running" ? undefined : "status"}>
        {STATES[state]}: {count(report.count, "request")} in {duration(elapsed)}, {count(plan.users, "user")}
        {plan.rate !== undefined && `, limit ${plan.rate}/s`}
        {state === "done" && report.count === LIMITS.requests.max && ", the limit of this view"}
      </p>
    </div>
  );
}

function Big({ name, value, isError }: { name: string; value: string; isError?: boolean }) {
  return (
    <p class={`big${isError ? " trouble" : ""}`}>
      <span class="quiet">{name}</span> <strong>{value}</strong>
    </p>
  );
}

const STATISTICS: readonly { name: string; of: keyof Summary }[] = [
  { name: "min", of: "min" },
  { name: "mean", of: "mean" },
  { name: "p50", of: "p50" },
  { name: "p90", of: "p90" },
  { name: "p95", of: "p95" },
  { name: "p99", of: "p99" },
  { name: "max", of: "max" },
];

function Percentiles({ report }: { report: LoadReport }) {
  const { latency, waited } = report;
  return (
    <table>
      <caption>Successful requests</caption>
      <thead>
        <tr>
          <th scope="col">statistic</th>
          <th scope="col" class="number">
            duration
          </th>
          <th scope="col" class="number">
            wait for a connection
          </th>
        </tr>
      </thead>
      <tbody>
        {STATISTICS.map(({ name, of }) => (
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
      <caption>Responses</caption>
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
      <caption>Slowest requests</caption>
      <thead>
        <tr>
          <th scope="col" class="number">
            duration
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
