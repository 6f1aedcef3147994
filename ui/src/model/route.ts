/** The view and its state in the URL's hash: `#/traces?service=service-a`. */

export const VIEWS = ["mesh", "greeting", "traces", "trace", "compare", "load", "scenarios"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  /** The trace's id. */
  id: string | undefined;
  query: Readonly<Record<string, string>>;
}

export const HOME: Route = { view: "mesh", id: undefined, query: {} };

/** Undefined when the hash names no view. */
export function parseRoute(hash: string): Route | undefined {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  if (path === "" || path === "/") return HOME;
  const [, name, id, ...rest] = path.split("/");
  const view = VIEWS.find((known) => known === name);
  const hasId = view === "trace" || view === "compare";
  if (!view || rest.length > 0 || hasId !== Boolean(id)) return undefined;
  return { view, id: id ? decode(id) : undefined, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Without empty values, and in one order, so that one state has one URL. */
export function formatRoute({ view, id, query }: Route): string {
  const entries = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(entries.sort(([one], [other]) => (one < other ? -1 : 1))).toString();
  const path = id === undefined ? view : `${view}/${encodeURIComponent(id)}`;
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function link(view: View, query: Record<string, string> = {}, id?: string): string {
  return formatRoute({ view, id, query });
}

/** Lookbacks by their name in the URL, in milliseconds. */
export const LOOKBACKS: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
};

const LOOKBACK_TEXTS: Readonly<Record<string, string>> = {
  "1m": "minute",
  "5m": "5 minutes",
  "15m": "15 minutes",
  "1h": "hour",
};

/** For "in the last …": `5 minutes`. */
export function lookbackText(name: string): string {
  return LOOKBACK_TEXTS[name] ?? name;
}

/** The lookback in the URL, or else `fallback`. */
export function lookbackName(query: Route["query"], fallback: string): string {
  const name = query.lookback ?? "";
  return Object.hasOwn(LOOKBACKS, name) ? name : fallback;
}
