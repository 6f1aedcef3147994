import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, expectAccessible, hold, mesh, test } from "./test.ts";

const ANOMALOUS = [
  {
    traceId: "1".repeat(32),
    id: "a".repeat(16),
    name: "root",
    timestamp: 1_000_000,
    duration: 9_000,
    localEndpoint: { serviceName: "front" },
  },
  {
    traceId: "1".repeat(32),
    id: "b".repeat(16),
    parentId: "a".repeat(16),
    name: "early",
    timestamp: 999_000,
    duration: 100,
    localEndpoint: { serviceName: "back" },
  },
  {
    traceId: "1".repeat(32),
    id: "c".repeat(16),
    parentId: "d".repeat(16),
    name: "orphan",
    timestamp: 1_002_000,
    duration: 100,
    tags: { error: "gone" },
    localEndpoint: { serviceName: "back" },
  },
];

/** The trace id of a new greeting, once all of its spans have arrived. */
async function newestId(): Promise<string> {
  const response = await fetch(`${mesh.url}/api/greeting`);
  await response.text();
  const id = response.headers.get("traceresponse")?.split("-")[1] ?? "";
  const spans = async () => (await (await fetch(`${mesh.url}/zipkin/api/v2/trace/${id}`)).json()).length;
  await expect.poll(spans).toBe(21);
  return id;
}

test("filters find traces, are kept in the URL, and report invalid values", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces");
  await expect(page.locator(".trace-list li").first()).toContainText("gateway · get /api/greeting");
  await expect(page.locator(".scatter circle").first()).toBeVisible();
  await page.getByLabel("min duration").fill("1h");
  await page.getByLabel("min duration").press("Tab");
  await expect(page.getByRole("alert")).toContainText("Min duration must be");
  await page.getByLabel("min duration").fill("14s");
  await page.getByLabel("min duration").press("Tab");
  await expect(page.locator(".empty")).toContainText("match these filters");
  await expect(page).toHaveURL(/min=14s/);
  await page.getByRole("link", { name: "Show all traces" }).click();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("the back link of a trace returns to the list with its filters", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces?service=gateway&min=1us");
  await page.locator(".trace-list a").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
  const release = await hold(page, "**/zipkin/api/v2/traces?*");
  const searched = page.waitForRequest("**/zipkin/api/v2/traces?*");
  await page.getByRole("link", { name: "← Traces" }).click();
  await expect(page).toHaveURL(/min=1us&service=gateway/);
  expect((await searched).url()).toContain("serviceName=gateway");
  // The earlier results of the same search are shown before the response arrives.
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await page.getByLabel("max duration").fill("14s");
  await page.getByLabel("max duration").press("Tab");
  await expect(page.getByRole("status")).toHaveText("Searching…");
  await expect(page.locator(".trace-list li")).toHaveCount(0);
  release();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("late suggestions do not change the text being typed", async ({ page }) => {
  const release = await hold(page, "**/zipkin/api/v2/spans?*");
  await page.goto("/#/traces?service=gateway");
  const name = page.getByLabel("span name");
  await name.pressSequentially("get /api");
  release();
  await expect(page.locator("#name-options option").first()).toBeAttached();
  await expect(name).toHaveValue("get /api");
  await name.press("Tab");
  await expect(page).toHaveURL(/name=get/);
});

test("a pasted traceparent opens its trace, which can be downloaded and opened from the file", async ({
  page,
}) => {
  const id = await newestId();
  await page.goto("/#/traces");
  await page.getByLabel("open trace", { exact: true }).fill(`00-${id}-00f067aa0ba902b7-01`);
  await page.getByRole("button", { name: "Open" }).click();
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await expect(page.locator(".trace-id code")).toHaveText(id);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download JSON" }).click();
  const path = await (await saved).path();
  const spans = JSON.parse(readFileSync(path, "utf8"));
  expect(spans).toHaveLength(21);
  await page.goto("/#/traces");
  await page
    .getByLabel("or from a file")
    .setInputFiles({ name: "t.json", mimeType: "application/json", buffer: readFileSync(path) });
  await expect(page.locator(".trace-id")).toContainText("from a file");
  await expect(page.getByRole("treeitem")).toHaveCount(21);
});

test("the waterfall is navigated and collapsed by keyboard, and zoomed by dragging", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  const tree = page.getByRole("tree");
  await tree.focus();
  for (const key of ["j", "ArrowDown", "k"]) await page.keyboard.press(key);
  await expect(page.locator(".row.selected")).toContainText("gateway");
  await expect(page.getByRole("complementary", { name: "Selected span" })).toBeVisible();
  await page.keyboard.press("ArrowLeft");
  await expect(page.getByRole("treeitem")).toHaveCount(1);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("complementary")).toHaveCount(0);

  const box = await page.locator(".ruler").boundingBox();
  if (!box) throw new Error("a ruler");
  await page.mouse.move(box.x + box.width * 0.2, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 10, { steps: 4 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d+/);
  await page.getByRole("button", { name: "Whole trace" }).click();
  await expect(page).not.toHaveURL(/from=/);
});

test("missing parents and clock skew are marked and not corrected", async ({ page }) => {
  await page.goto("/#/traces");
  const file = {
    name: "anomalous.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(ANOMALOUS)),
  };
  await page.getByLabel("or from a file").setInputFiles(file);
  await expect(page.locator(".warning").filter({ hasText: "without its parent span" })).toBeVisible();
  await expect(page.locator(".warning").filter({ hasText: "clocks differ" })).toBeVisible();
  await expect(page.locator(".row .anomaly")).toHaveCount(2);
  await page.goto("/#/traces");
  await page.getByLabel("or from a file").setInputFiles(fileURLToPath(import.meta.url));
  await expect(page.getByRole("alert")).toContainText("is not JSON");
});

test("a missing trace is reported with its cause, and an invalid id is not requested", async ({ page }) => {
  await page.goto(`/#/trace/${"f".repeat(32)}`);
  await expect(page.locator(".failure")).toContainText("Trace not found");
  await page.goto("/#/trace/hello");
  await expect(page.locator(".failure")).toContainText("Invalid trace id");
});

test("the keys work as soon as a trace is shown, and after a button was pressed", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await page.keyboard.press("j");
  await expect(page.locator(".row.selected")).toContainText("gateway");
  await page.getByRole("button", { name: "Zoom in" }).click();
  await page.keyboard.press("j");
  await expect(page.locator(".row.selected")).toContainText("service-a");
  await page.getByRole("button", { name: "Close panel" }).focus();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("complementary")).toHaveCount(0);
});

test("zooming keeps the selected span selected and in the visible range", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  const row = page.getByRole("treeitem").filter({ hasText: "service-f process" });
  await row.click();
  for (let press = 0; press < 4; press += 1) await page.keyboard.press("+");
  await expect(page).toHaveURL(/from=\d+.*span=/);
  await expect(row).toHaveClass(/selected/);
  await expect(row.locator(".bar")).toBeVisible();
});

test("the text search finds spans by tag, counts them, and moves through them", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await page.keyboard.press("/");
  const field = page.getByLabel("Find in trace");
  await expect(field).toBeFocused();
  await field.fill("Service-G.greetings");
  const status = page.locator(".tools [role=status]");
  await expect(status).toHaveText("1 match");
  await expect(page.locator(".row.match")).toContainText("service-g");
  await field.fill("service-e");
  await expect(page.locator(".row.match")).not.toHaveCount(0);
  await field.press("Enter");
  await expect(status).toHaveText(/^1 of \d+$/);
  await field.press("Enter");
  await expect(status).toHaveText(/^2 of \d+$/);
  await field.press("Shift+Enter");
  await expect(status).toHaveText(/^1 of \d+$/);
  await field.fill("nothing like this");
  await expect(status).toHaveText("no matches");
  await expect(page).toHaveURL(/find=nothing/);
  // The keys of the waterfall are text here, and Escape leaves the field.
  await field.press("Escape");
  await expect(page.getByRole("tree")).toBeFocused();
});

test("labels of bars do not overlap bars, and are not cut off", async ({ page }) => {
  const span = (index: number, start: number, duration: number, more: object = {}) => ({
    traceId: "2".repeat(32),
    id: String(index).padStart(16, "0"),
    ...(index > 1 ? { parentId: "1".padStart(16, "0") } : {}),
    name: `operation-${index}`,
    timestamp: 1_700_000_000_000_000 + start,
    duration,
    localEndpoint: { serviceName: `service-${index}` },
    ...more,
  });
  const failed = { tags: { error: "late", "rpc.grpc.status_code": "4" } };
  const spans = [
    span(1, 0, 100_000, failed),
    span(2, 95_000, 5_000, failed),
    span(3, 0, 60_000, failed),
    span(4, 1_000, 500, { kind: "PRODUCER" }),
    span(5, 1_900, 97_000, { kind: "CONSUMER", parentId: "4".padStart(16, "0") }),
    span(6, 1_000, 500, { kind: "PRODUCER" }),
    span(7, 98_000, 900, { kind: "CONSUMER", parentId: "6".padStart(16, "0"), ...failed }),
    span(8, 1_000, 500, { kind: "PRODUCER" }),
    span(9, 80_000, 19_000, { kind: "CONSUMER", parentId: "8".padStart(16, "0") }),
  ];
  await page.goto("/#/traces");
  const file = { name: "t.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(spans)) };
  await page.getByLabel("or from a file").setInputFiles(file);
  await expect(page.getByRole("treeitem")).toHaveCount(9);
  const rows = await page.locator(".row").evaluateAll((rows) =>
    rows.map((row) => {
      const box = (selector: string) => row.querySelector(selector)?.getBoundingClientRect();
      const [label, bar, wait] = [box(".length"), box(".bar"), box(".wait")];
      const covers = (other: DOMRect | undefined) =>
        label && other ? label.left < other.right - 1 && other.left + 1 < label.right : false;
      const isInside = row.querySelector(".length.inside") !== null;
      const isOnWait = isInside && wait && bar && wait.width > bar.width;
      const whole = row.getBoundingClientRect();
      return {
        text: row.querySelector(".length")?.textContent,
        covered: isOnWait ? covers(bar) : !isInside && (covers(bar) || covers(wait)),
        cut: !label || label.right > whole.right || label.left < whole.left,
      };
    }),
  );
  expect(rows.filter(({ covered, cut }) => covered || cut)).toEqual([]);
  expect(rows.map(({ text }) => text)).toContain("900 µs · queue wait 97 ms · DEADLINE_EXCEEDED");
  expect(rows.map(({ text }) => text)).toContain("19 ms · queue wait 79 ms");
  await expect(page.locator(".wait")).toHaveCount(3);
});

test("each service has its own colour, the same in every trace", async ({ page }) => {
  const colors = async () => {
    await page.goto(`/#/trace/${await newestId()}`);
    await expect(page.getByRole("treeitem")).toHaveCount(21);
    const rows = await page.getByRole("treeitem").evaluateAll((rows) =>
      rows.map((row) => {
        const swatch = row.querySelector(".swatch");
        return [
          row.querySelector(".service")?.textContent,
          swatch && getComputedStyle(swatch).backgroundColor,
        ];
      }),
    );
    return Object.fromEntries(rows);
  };
  const first = await colors();
  expect(Object.keys(first)).toHaveLength(9);
  expect(new Set(Object.values(first)).size).toBe(9);
  expect(await colors()).toEqual(first);
});

test("the list is sorted by time and by duration", async ({ page }) => {
  const trace = (digit: string, start: number, duration: number) => [
    {
      traceId: digit.repeat(32),
      id: "1".repeat(16),
      name: digit,
      timestamp: (1_700_000_000 + start) * 1_000_000,
      duration,
      localEndpoint: { serviceName: "front" },
    },
  ];
  const json = [trace("a", 3, 10_000), trace("b", 1, 90_000), trace("c", 2, 50_000)];
  await page.route("**/zipkin/api/v2/traces?*", (route) => route.fulfill({ json }));
  const ids = async () => {
    const texts = await page.locator(".trace-list .id").allTextContents();
    return texts.map((id) => id.charAt(0)).join("");
  };
  await page.goto("/#/traces");
  await expect.poll(ids).toBe("acb");
  for (const [order, expected] of [
    ["slowest", "bca"],
    ["fastest", "acb"],
    ["oldest", "bca"],
  ] as const) {
    await page.getByLabel("sort by").selectOption(order);
    await expect(page).toHaveURL(new RegExp(`sort=${order}`));
    await expect.poll(ids, order).toBe(expected);
  }
  await page.reload();
  await expect.poll(ids, "after a reload").toBe("bca");
});

test("the list refreshes itself on demand", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces?limit=500");
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await page.getByLabel("refresh every 5 s").check();
  await expect(page).toHaveURL(/refresh=on/);
  const id = await newestId();
  await expect(page.locator(".trace-list .id").filter({ hasText: id })).toBeVisible();
});

test("OTLP and Jaeger files open, and other files are refused", async ({ page }) => {
  const otlp = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "from-otlp" } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: "3".repeat(32),
                spanId: "4".repeat(16),
                name: "work",
                kind: 2,
                startTimeUnixNano: "1700000000000000000",
                endTimeUnixNano: "1700000000005000000",
              },
            ],
          },
        ],
      },
    ],
  };
  const jaeger = {
    data: [
      {
        traceID: "5".repeat(32),
        spans: [
          {
            traceID: "5".repeat(32),
            spanID: "6".repeat(16),
            operationName: "work",
            startTime: 1_700_000_000_000_000,
            duration: 7_000,
            processID: "p1",
          },
        ],
        processes: { p1: { serviceName: "from-jaeger" } },
      },
    ],
  };
  for (const [json, service, length] of [
    [otlp, "from-otlp", "5.0 ms"],
    [jaeger, "from-jaeger", "7.0 ms"],
  ] as const) {
    await page.goto("/#/traces");
    const buffer = Buffer.from(JSON.stringify(json));
    await page
      .getByLabel("or from a file")
      .setInputFiles({ name: "t.json", mimeType: "application/json", buffer });
    await expect(page.getByRole("treeitem")).toContainText([`${service} work${length}`]);
  }
  await page.goto("/#/traces");
  const other = { name: "o.json", mimeType: "application/json", buffer: Buffer.from('{"a":1}') };
  await page.getByLabel("or from a file").setInputFiles(other);
  await expect(page.getByRole("alert")).toContainText(
    "contains no spans in the format of Zipkin v2, OTLP or Jaeger",
  );
});

test.describe("in another time zone", () => {
  test.use({ timezoneId: "Asia/Kolkata" });

  test("every time is in the browser's zone, which is named", async ({ page }) => {
    const id = await newestId();
    const spans: { timestamp: number }[] = await (
      await fetch(`${mesh.url}/zipkin/api/v2/trace/${id}`)
    ).json();
    const start = Math.min(...spans.map(({ timestamp }) => timestamp)) / 1000;
    const clock = new Date(start + 5.5 * 3_600_000).toISOString().slice(11, 23);
    await page.goto("/#/traces");
    await expect(page.locator(".note")).toContainText("Times are in UTC+5:30.");
    const row = page.locator(".trace-list li").filter({ hasText: id });
    await expect(row.locator(".when")).toContainText(clock);
    await page.goto(`/#/trace/${id}`);
    await expect(page.locator(".trace-facts")).toContainText(`${clock} UTC+5:30`);
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".card.answered dd").nth(1)).toContainText(/^[\d:.]+ UTC\+5:30$/);
  });
});

test("the time axis of the scatter plot has round ticks", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces");
  const ticks = page.locator(".scatter .axis.middle");
  await expect(page.locator(".scatter")).toBeVisible();
  const times = (await ticks.allTextContents()).map((label) => {
    const [hours = 0, minutes = 0, seconds = 0] = label.split(":").map(Number);
    return Math.round((hours * 3_600 + minutes * 60 + seconds) * 1_000);
  });
  const [first = 0, second = 0] = times;
  const step = second - first;
  expect(times.length).toBeGreaterThan(1);
  for (const [index, time] of times.entries()) {
    expect(time - first, "equal steps").toBe(index * step);
    expect(time % step, "multiples of the step").toBe(0);
  }
});

test("two traces selected in the list are compared, span by span", async ({ page }) => {
  const [one, other] = [await newestId(), await newestId()];
  await page.goto("/#/traces");
  for (const id of [one, other]) {
    const row = page.locator(".trace-list li").filter({ hasText: id });
    await row.getByLabel("Select for comparison").check();
  }
  await expect(page).toHaveURL(new RegExp(`pick=${one}%2C${other}`));
  await page.getByRole("link", { name: "Compare the two selected traces" }).click();
  const rows = page.locator(".compare-view tbody tr");
  await expect(rows).toHaveCount(21);
  await expect(rows.first()).toContainText(/^gateway get \/api\/greeting/);
  for (const cell of await rows.first().locator("td").allTextContents()) expect(cell).toMatch(/\d [µm]?s$/);
  await expectAccessible(page);
  await page.locator(".compare-view thead a").first().click();
  await expect(page.locator(".trace-id code")).toHaveText(one);
});

test("a span in one of two compared traces is marked", async ({ page }) => {
  const [one, other] = [await newestId(), await newestId()];
  await page.route(`**/zipkin/api/v2/traceMany?traceIds=${other},*`, async (route) => {
    const response = await route.fetch();
    const traces: { localEndpoint: { serviceName: string } }[][] = await response.json();
    const json = traces.map((spans) =>
      spans.filter((span) => span.localEndpoint.serviceName !== "service-c"),
    );
    await route.fulfill({ json });
  });
  await page.goto(`/#/compare/${one}?with=${other}`);
  await expect(page.locator(".compare-view tbody")).toContainText("only in A");
  await expect(page.locator(".compare-view tbody")).not.toContainText("only in B");
});
