import { expect, test } from "vitest";
import { refused } from "./failure.ts";
import { type Level, levelOf, newLog } from "./log.ts";

const answer = (httpStatus: number, body: unknown) => ({
  httpStatus,
  status: `${httpStatus}`,
  body,
  requestId: "r-1",
});

test("a failure tells what was asked, what came, and what that likely means", () => {
  const failure = refused(
    "http://h/api/greeting",
    "/api/greeting",
    answer(503, { code: 14, message: "service-b: gone" }),
  );
  expect(failure.reason).toBe("refused");
  expect(failure.told).toMatchObject({
    status: "503",
    code: "UNAVAILABLE",
    detail: "service-b: gone",
    requestId: "r-1",
  });
  expect(failure.told.cause).toMatch(/is down/);
});

test("no trace backend, one that is away, and a trace that is not there are three things", () => {
  const ask = (status: number, message: string) =>
    refused("http://h/x", "/api/mesh?lookback=1", answer(status, { code: 14, message })).reason;
  expect(ask(503, "no trace backend is configured: set TRACE_QUERY_URL")).toBe("no-traces");
  expect(ask(503, "the trace backend cannot be reached")).toBe("traces-away");
  const missing = refused("http://h/x", "/zipkin/api/v2/trace/1", answer(404, { code: 5, message: "?" }));
  expect(missing.message).toBe("There is no such trace");
});

test("an error body that is not the gateway's has no code", () => {
  expect(refused("http://h/x", "/api/greeting", answer(500, ["odd"])).told.code).toBeUndefined();
});

test("the log is quiet in production until the address raises it", () => {
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
