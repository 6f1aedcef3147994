/** The address is the state: what is shown follows from it, and what is chosen goes into it. */

import { effect, signal } from "@preact/signals";
import { formatRoute, HOME, parseRoute, type Route } from "../model/route.ts";

const TITLES = { mesh: "Mesh", greeting: "Greeting", traces: "Traces", trace: "Trace", load: "Load" };

/** Undefined where the address names no view. */
export const route = signal<Route | undefined>(parseRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

effect(() => {
  document.title = `${TITLES[route.value?.view ?? "mesh"]} · Octet`;
});

/** Goes elsewhere, with a way back. */
export function go(to: Route): void {
  location.hash = formatRoute(to);
}

/** Changes what is shown of the present view; without an entry of its own in the browser's history. */
export function refine(changes: Record<string, string | undefined>): void {
  const present = route.value ?? HOME;
  const query: Record<string, string> = { ...present.query };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === "") delete query[key];
    else query[key] = value;
  }
  const next = { ...present, query };
  history.replaceState(history.state, "", formatRoute(next));
  route.value = next;
}
