/** What is shown, as the address says it: `#/traces?service=service-a`. Everything a link should carry is in it. */

export const VIEWS = ["mesh", "greeting", "traces", "trace", "load"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  /** Of a trace: its id. */
  id: string | undefined;
  query: Readonly<Record<string, string>>;
}

export const HOME: Route = { view: "mesh", id: undefined, query: {} };

/** Undefined where the address names no view: an old link, or a slip. */
export function parseRoute(hash: string): Route | undefined {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  if (path === "" || path === "/") return HOME;
  const [, name, id, ...rest] = path.split("/");
  const view = VIEWS.find((known) => known === name);
  const takesId = view === "trace";
  if (!view || rest.length > 0 || takesId !== Boolean(id)) return undefined;
  return { view, id: id ? decode(id) : undefined, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Keys without a value are left out, and the order does not depend on how the state came about. */
export function formatRoute({ view, id, query }: Route): string {
  const entries = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(entries.sort(([one], [other]) => (one < other ? -1 : 1))).toString();
  const path = id === undefined ? view : `${view}/${encodeURIComponent(id)}`;
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function link(view: View, query: Record<string, string> = {}, id?: string): string {
  return formatRoute({ view, id, query });
}

/** The windows that are offered, by their name in the address, in milliseconds. */
export const LOOKBACKS: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
};

const WORDS: Readonly<Record<string, string>> = {
  "1m": "minute",
  "5m": "5 minutes",
  "15m": "15 minutes",
  "1h": "hour",
};

/** As in "in the last 5 minutes". */
export function lookbackWords(name: string): string {
  return WORDS[name] ?? name;
}

/** The window that the address names, or else `otherwise`. */
export function lookbackName(query: Route["query"], otherwise: string): string {
  const name = query.lookback ?? "";
  return Object.hasOwn(LOOKBACKS, name) ? name : otherwise;
}
