// The first page: the known graph in grey, one request, its greetings or what went wrong.

const GREETING = "/api/greeting";
const TOPOLOGY = "/api/topology";
// The gateway ends a call after its deadline; past this, nothing will come.
const PATIENCE_MS = 15_000;

const GRPC_CODES = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
  "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];

const send = document.getElementById("send");
const outcome = document.getElementById("outcome");
const list = document.getElementById("greetings");

/** What `/api/topology` said; empty until it has. */
let topology = { entry: null, order: [], services: [] };

// Asking

/** A request that did not bring what it was for: what was asked, what came, what that likely means. */
class Failure extends Error {
  constructor(url, facts) {
    super(facts.headline);
    Object.assign(this, { url, status: null, code: null, detail: null, path: [], requestId: null }, facts);
  }
}

async function ask(url) {
  let response;
  let text;
  try {
    response = await fetch(url, {
      headers: { accept: "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    text = await response.text();
  } catch (error) {
    throw unanswered(url, error);
  }

  const requestId = response.headers.get("x-request-id");
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Failure(url, {
      headline: "The answer is not the gateway's",
      status: statusOf(response),
      cause: "It is not JSON: a proxy or another server on this port answered in the gateway's place.",
      requestId,
    });
  }
  if (!response.ok) throw refused(url, response, body, requestId);
  return { body, requestId, missing: response.headers.get("grpc-metadata-octet-missing") };
}

function unanswered(url, error) {
  const late = error.name === "TimeoutError";
  return new Failure(url, {
    headline: late ? `No answer within ${PATIENCE_MS / 1000} s` : "The gateway cannot be reached",
    status: "no answer",
    cause: late
      ? "The gateway accepted the request and is stuck, or a proxy in between is."
      : "It is down or restarting, or the connection broke. Is “octet up” still running?",
  });
}

function refused(url, response, body, requestId) {
  const code = Number.isInteger(body?.code) ? body.code : null;
  const detail = typeof body?.message === "string" ? body.message : null;
  const path = pathOf(detail ?? "");
  return new Failure(url, {
    headline: path.length > 0 ? `${path.at(-1)} failed the request` : "The request failed",
    status: statusOf(response),
    code,
    detail,
    path,
    cause: likelyCause(code, path),
    requestId,
  });
}

function statusOf(response) {
  // HTTP/2 has no reason phrase.
  return [response.status, response.statusText].filter(Boolean).join(" ");
}

/** The services that a strict failure names, `service-b/service-e: …`; none if it names no known ones. */
function pathOf(message) {
  const [prefix, rest] = message.split(": ", 2);
  if (rest === undefined) return [];
  const path = prefix.split("/");
  return path.every((name) => topology.services.some((service) => service.name === name)) ? path : [];
}

function likelyCause(code, path) {
  const culprit = path.at(-1) ?? "A service";
  const caller = path.at(-2) ?? (path.length > 0 && culprit !== topology.entry ? topology.entry : null);
  const called = caller ? `${culprit}, called by ${caller},` : culprit;
  switch (GRPC_CODES[code]) {
    case "UNAVAILABLE":
      return `${called} is down, or its database or queue is away.`;
    case "DEADLINE_EXCEEDED":
      return `${called} did not answer before the deadline: it is slow, or waits for something that is.`;
    case "RESOURCE_EXHAUSTED":
      return `${called} has more requests than it takes.`;
    case "UNIMPLEMENTED":
      return `${called} does not know this call: an older version, or the wrong address.`;
    case "NOT_FOUND":
      return "The gateway has no such route: an older version, or the wrong address.";
    default:
      return `${called} answered with an error; its log says more, under the request's id.`;
  }
}

// Showing

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function isolated(text) {
  return element("bdi", "", text);
}

function roleOf(service) {
  if (!service) return "";
  const parts = [];
  if (service.consumes) parts.push(`consumes ${service.consumes}`);
  if (service.calls?.length > 0) parts.push(`calls ${service.calls.join(", ")}`);
  if (service.store) parts.push(`stores in ${service.store.database}.${service.store.collection}`);
  if (service.publishes) parts.push(`publishes ${service.publishes}`);
  return parts.join(" and ");
}

/** One card; grey, with what the service would say, where it has not answered. */
function card(name, greeting, verdict) {
  const service = topology.services.find((each) => each.name === name);
  const made = document.getElementById("greeting").content.cloneNode(true).firstElementChild;
  made.classList.toggle("answered", Boolean(greeting));
  made.classList.toggle("failed", Boolean(verdict));
  made.classList.toggle("entry", name === topology.entry);
  made.querySelector(".verdict").textContent = verdict ? `✕ ${verdict}` : "";
  made.querySelector(".role").textContent = roleOf(service);

  const shown = greeting ?? { service: name, message: service?.greeting ?? "" };
  for (const field of made.querySelectorAll("[data-field]")) {
    field.textContent = shown[field.dataset.field] || "–";
  }
  return made;
}

/** Every service of the declared order keeps its place; greetings from others follow. */
function showGreetings(greetings, verdicts) {
  const left = [...greetings];
  const cards = topology.order.map((name) => {
    const at = left.findIndex((greeting) => greeting.service === name);
    const [greeting] = at < 0 ? [] : left.splice(at, 1);
    return card(name, greeting, verdicts.get(name));
  });
  cards.push(...left.map((greeting) => card(greeting.service, greeting)));
  list.replaceChildren(...cards);
}

function showAnswer({ body, requestId, missing }, milliseconds) {
  const greetings = body.greeting;
  const verdicts = new Map();
  for (const entry of missing ? missing.split(",") : []) {
    const [path, code] = entry.trim().split("=");
    verdicts.set(path.split("/").at(-1), code ?? "missing");
  }
  showGreetings(greetings, verdicts);

  const count = greetings.length === 1 ? "1 greeting" : `${greetings.length} greetings`;
  const time = milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds);
  const summary = element("p", "summary", `${count} in ${time} ms`);
  if (missing) summary.append(" · ", element("span", "missing", "✕ missing: ", isolated(missing)));
  summary.append(request(requestId));
  outcome.replaceChildren(summary);
}

function request(id) {
  return id ? element("span", "request", "request ", element("code", "", isolated(id))) : "";
}

function showFailure(failure) {
  const made = document.getElementById("failure").content.cloneNode(true).firstElementChild;
  made.querySelector(".headline").textContent = `✕ ${failure.message}`;
  made.querySelector(".cause").textContent = failure.cause;

  const name = GRPC_CODES[failure.code] ?? "unknown";
  const facts = {
    url: new URL(failure.url, location.href).href,
    status: failure.status,
    grpc: failure.code === null ? null : `${failure.code} ${name}`,
    message: failure.detail,
    request: failure.requestId,
  };
  for (const [label, value] of Object.entries(facts)) {
    if (value === null) continue;
    made.querySelector("dl").append(
      element("div", "", element("dt", "", label), element("dd", "", isolated(value))),
    );
  }
  outcome.replaceChildren(made);
  const culprit = failure.path.at(-1);
  showGreetings([], new Map(culprit ? [[culprit, name]] : []));
}

// Running

async function greet() {
  if (send.getAttribute("aria-disabled") === "true") return;
  // Not `disabled`, which would take the focus away from someone on a keyboard.
  send.setAttribute("aria-disabled", "true");
  send.textContent = "Sending…";
  list.setAttribute("aria-busy", "true");
  try {
    const started = performance.now();
    const answer = await ask(GREETING);
    const milliseconds = performance.now() - started;
    if (!Array.isArray(answer.body?.greeting)) {
      throw new Failure(GREETING, {
        headline: "The answer holds no greetings",
        status: "200",
        cause: "Another server on this port answered in the gateway's place.",
        requestId: answer.requestId,
      });
    }
    showAnswer(answer, milliseconds);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    showFailure(error);
  } finally {
    list.removeAttribute("aria-busy");
    send.textContent = "Send a greeting";
    send.removeAttribute("aria-disabled");
  }
}

function showTopology() {
  const { entry, order, services } = topology;
  document.getElementById("graph").textContent =
    `One request to ${entry} makes ${order.length} of ${services.length} services greet.`;
  const beside = services.filter((service) => !order.includes(service.name));
  document.getElementById("beside").textContent = beside
    .map((service) => `Not in the answer: ${service.name}, which ${roleOf(service) || "is not called"}.`)
    .join(" ");
  showGreetings([], new Map());
}

send.addEventListener("click", greet);

try {
  topology = (await ask(TOPOLOGY)).body;
  showTopology();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  showFailure(error);
}
