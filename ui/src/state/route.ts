/** The URL's hash is the state: the view follows from it, and every choice is stored in it. */

import { effect, signal } from "@preact/signals";
import { formatRoute, HOME, parseRoute, type Route } from "../model/route.ts";

const TITLES = {
  mesh: "Mesh",
  greeting: "Greeting",
  traces: "Traces",
  trace: "Trace",
  compare: "Compare",
  load: "Load",
  scenarios: "Scenarios",
};

/** Undefined when the hash names no view. */
export const route = signal<Route | undefined>(parseRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

effect(() => {
  document.title = `${TITLES[route.value?.view ?? "mesh"]} · Octet`;
});

/** Changes the query of the current view, without a new entry in the browser's history. */
export function refine(changes: Record<string, string | undefined>): void {
  const current = route.value ?? HOME;
  const query: Record<string, string> = { ...current.query };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === "") delete query[key];
    else query[key] = value;
  }
  const next = { ...current, query };
  history.replaceState(history.state, "", formatRoute(next));
  route.value = next;
}
