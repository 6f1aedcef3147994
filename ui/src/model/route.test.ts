import { expect, test } from "vitest";
import { parseAddress } from "./address.ts";
import { backendTraceId, fullTraceId, parseTraceResponse, pastedTraceId } from "./ids.ts";
import { formatRoute, link, lookbackName, parseRoute, type Route } from "./route.ts";

test("every route survives formatting and parsing", () => {
  const states: Route[] = [
    { view: "mesh", id: undefined, query: { lookback: "5m", select: "service-a>service-b" } },
    { view: "trace", id: "0af7651916cd43dd8448eb211c80319c", query: { span: "b7ad6b7169203331-service-a" } },
    {
      view: "traces",
      id: undefined,
      query: { tag: "http.route=/api/greeting and error", name: "grüße & mehr" },
    },
  ];
  for (const state of states) expect(parseRoute(formatRoute(state))).toEqual(state);
});

test("an empty hash is the mesh, and an unknown one is undefined", () => {
  for (const hash of ["", "#", "#/"]) expect(parseRoute(hash)?.view).toBe("mesh");
  for (const hash of ["#/nothing", "#/trace", "#/mesh/x", "#/trace/a/b", "#main"]) {
    expect(parseRoute(hash), hash).toBeUndefined();
  }
  expect(parseRoute("#/trace/%E0%A4%A")?.id).toBe("%E0%A4%A");
});

test("a link has no empty parameters, and sorts them", () => {
  expect(link("traces", { service: "b", name: "", limit: "20" })).toBe("#/traces?limit=20&service=b");
});

test("an unknown lookback falls back to the default", () => {
  expect(lookbackName({ lookback: "5m" }, "1m")).toBe("5m");
  for (const lookback of ["2y", "toString", ""]) expect(lookbackName({ lookback }, "1m")).toBe("1m");
});

test("a gateway's address is normalized", () => {
  for (const [typed, address] of [
    ["https://api.example.com/", "https://api.example.com"],
    [" localhost:8080 ", "http://localhost:8080"],
    ["http://host/octet//", "http://host/octet"],
    ["HTTP://Host:80", "http://host"],
  ] as const) {
    expect(parseAddress(typed), typed).toBe(address);
  }
});

test("invalid addresses are rejected", () => {
  for (const typed of [
    "",
    "  ",
    "ftp://host",
    "javascript://alert(1)",
    "http://user:secret@host",
    "http://host?x=1",
    "http://host/#/mesh",
    "http://",
    "a b",
  ]) {
    expect(parseAddress(typed), typed).toBeUndefined();
  }
});

test("ids are shown with 32 digits, and 64-bit ids are queried with 16", () => {
  expect(fullTraceId("48485A3953BB6124")).toBe("000000000000000048485a3953bb6124");
  for (const none of ["", "0", "xyz", "1".repeat(33)]) expect(fullTraceId(none), none).toBeUndefined();
  expect(backendTraceId("000000000000000048485a3953bb6124")).toBe("48485a3953bb6124");
  expect(backendTraceId("463ac35c9f6413ad48485a3953bb6124")).toBe("463ac35c9f6413ad48485a3953bb6124");
});

test("a trace id is found in pasted text", () => {
  const id = "463ac35c9f6413ad48485a3953bb6124";
  for (const pasted of [
    ` ${id.toUpperCase()}\n`,
    `00-${id}-a2fb4a1d1a96d312-01`,
    `traceparent: 00-${id}-a2fb4a1d1a96d312-01`,
    `${id}-a2fb4a1d1a96d312-1-0020000000000001`,
    `http://localhost:8080/#/trace/${id}?span=a2fb4a1d1a96d312`,
    `https://zipkin.example/zipkin/traces/${id}`,
  ]) {
    expect(pastedTraceId(pasted), pasted).toBe(id);
  }
  for (const pasted of ["", "hello", id.slice(1), `${id}0`])
    expect(pastedTraceId(pasted), pasted).toBeUndefined();
});

test("traceresponse contains the trace id and the sampled flag", () => {
  const id = "463ac35c9f6413ad48485a3953bb6124";
  expect(parseTraceResponse(`00-${id}-a2fb4a1d1a96d312-01`)).toEqual({ traceId: id, recorded: true });
  expect(parseTraceResponse(`00-${id}-a2fb4a1d1a96d312-00`)).toEqual({ traceId: id, recorded: false });
  for (const header of [null, "", `00-${id}-a2fb4a1d1a96d312`, `00-${"0".repeat(32)}-a2fb4a1d1a96d312-01`]) {
    expect(parseTraceResponse(header)).toBeUndefined();
  }
});
