import { expect, test } from "vitest";
import { errorResponse } from "./failure.ts";
import { type Level, levelOf, newLog } from "./log.ts";
import { traceRequest } from "./trace-request.ts";

const response = (httpStatus: number, body: unknown) => ({
  httpStatus,
  status: `${httpStatus}`,
  body,
  headers: new Headers({
    "x-request-id": "r-1",
    traceresponse: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
  }),
});

test("a failure names the URL, the status and the likely cause", () => {
  const failure = errorResponse(
    "http://h/api/greeting",
    "/api/greeting",
    response(503, { code: 14, message: "service-a/service-b: gone" }),
  );
  expect(failure.reason).toBe("error");
  expect(failure.details).toMatchObject({
    status: "503",
    code: "UNAVAILABLE",
    detail: "service-a/service-b: gone",
    requestId: "r-1",
    traceId: "a".repeat(32),
  });
  expect(failure.details.cause).toMatch(/is down/);
});

test("a missing trace backend, an unavailable one and an unknown trace are different failures", () => {
  const reason = (status: number, message: string) =>
    errorResponse("http://h/x", "/api/mesh?lookback=1", response(status, { code: 14, message })).reason;
  expect(reason(503, "no trace backend configured; set TRACE_QUERY_URL")).toBe("no-trace-backend");
  expect(reason(503, "trace backend unreachable")).toBe("trace-backend-unavailable");
});

test("a trace is requested so that its absence is no error status", () => {
  const id = "463ac35c9f6413ad48485a3953bb6124";
  const request = traceRequest("http://h", id);
  expect(request.path).toBe(`/zipkin/api/v2/traceMany?traceIds=${id},ff`);
  const trace = (traceId: string) => [{ traceId, id: "1", localEndpoint: { serviceName: "a" } }];
  expect(request.parse([trace("1"), trace(id)])?.[0]?.traceId).toBe(id);
  expect(request.parse({})).toBeUndefined();
  expect(() => request.parse([])).toThrow("Trace not found");
  expect(() => request.parse([trace("ff")])).toThrow("Trace not found");

  // A trace of 64 bits is known by 16 digits; another tracer may have put 64 bits before them.
  const short = traceRequest("http://h", `${"0".repeat(16)}48485a3953bb6124`);
  expect(short.path).toContain("?traceIds=48485a3953bb6124,ff");
  expect(short.parse([trace(id)])?.[0]?.traceId).toBe(id);
});

test("an error body of another server has no code", () => {
  expect(errorResponse("http://h/x", "/api/greeting", response(500, ["odd"])).details.code).toBeUndefined();
});

test("the log is off in production unless the URL sets a level", () => {
  const written = (level: Level) => {
    const lines: string[] = [];
    const log = newLog(level, (own, message) => lines.push(`${own} ${message}`));
    log.debug("a");
    log.warn("b");
    log.error("c");
    return lines;
  };
  expect(levelOf("", "production")).toBe("off");
  expect(levelOf("", "development")).toBe("info");
  expect(levelOf("?log=DEBUG", "production")).toBe("debug");
  expect(levelOf("?log=loud", "production")).toBe("off");
  expect(written("off")).toEqual([]);
  expect(written("warn")).toEqual(["warn b", "error c"]);
  expect(written("debug")).toHaveLength(3);
});
