import { useEffect, useRef } from "preact/hooks";
import { api } from "./state/api.ts";
import { route } from "./state/route.ts";
import { GreetingView } from "./views/greeting/greeting-view.tsx";
import { LoadView } from "./views/load/load-view.tsx";
import { MeshView } from "./views/mesh/mesh-view.tsx";
import { Tabs } from "./views/shell/tabs.tsx";
import { Vitals } from "./views/shell/vitals.tsx";
import { TraceView } from "./views/trace/trace-view.tsx";
import { TracesView } from "./views/traces/traces-view.tsx";

export function App() {
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the view
      </button>
      <header class="top">
        <a class="name" href="#/mesh">
          Octet
        </a>
        <Tabs />
        <Vitals />
      </header>
      {api.value !== location.origin && (
        <p class="elsewhere">
          Asking <bdi>{api.value}</bdi> · <a href="#/greeting">change</a>
        </p>
      )}
      <Main />
    </>
  );
}

/** No link: the address after `#` says which view is shown. */
function skip(): void {
  document.getElementById("main")?.focus();
}

/** The view; the focus moves to it when another one is chosen, as it would with a new page. */
function Main() {
  const main = useRef<HTMLElement>(null);
  const shown = route.value;
  const place = shown ? `${shown.view}/${shown.id ?? ""}` : "";
  const first = useRef(place);
  useEffect(() => {
    if (first.current !== place) main.current?.focus();
    first.current = place;
  }, [place]);
  return (
    <main id="main" ref={main} tabIndex={-1}>
      <View />
    </main>
  );
}

function View() {
  switch (route.value?.view) {
    case "mesh":
      return <MeshView />;
    case "greeting":
      return <GreetingView />;
    case "traces":
      return <TracesView />;
    case "trace":
      return <TraceView key={route.value.id} id={route.value.id ?? ""} />;
    case "load":
      return <LoadView />;
    default:
      return (
        <p class="empty">
          There is no such view. <a href="#/mesh">Open the mesh.</a>
        </p>
      );
  }
}
