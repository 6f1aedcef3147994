import { useEffect, useRef } from "preact/hooks";
import { api, HOME_URL } from "./state/api.ts";
import { route } from "./state/route.ts";
import { GreetingView } from "./views/greeting/greeting-view.tsx";
import { LoadView } from "./views/load/load-view.tsx";
import { MeshView } from "./views/mesh/mesh-view.tsx";
import { Lazy } from "./views/shell/lazy.tsx";
import { StatusBar } from "./views/shell/status-bar.tsx";
import { Tabs } from "./views/shell/tabs.tsx";
import { TraceView } from "./views/trace/trace-view.tsx";
import { TracesView } from "./views/traces/traces-view.tsx";

const loadCompare = () => import("./views/compare/compare-view.tsx").then(({ CompareView }) => CompareView);
const loadScenarios = () =>
  import("./views/scenarios/scenarios-view.tsx").then(({ ScenariosView }) => ScenariosView);

export function App() {
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to content
      </button>
      <header class="top">
        <a class="name" href="#/mesh">
          Octet
        </a>
        <Tabs />
        <a class="docs" href={`${api.value}/docs/`}>
          API
        </a>
        <StatusBar />
      </header>
      {api.value !== HOME_URL && (
        <p class="other-api">
          API: <bdi>{api.value}</bdi> · <a href="#/greeting">change</a>
        </p>
      )}
      <Main />
    </>
  );
}

/** Not a link to `#main`, because the hash is the route. */
function skip(): void {
  document.getElementById("main")?.focus();
}

/** Moves the focus to the view when the view changes, as a page load would. */
function Main() {
  const main = useRef<HTMLElement>(null);
  const current = route.value;
  const key = current ? `${current.view}/${current.id ?? ""}` : "";
  const shown = useRef(key);
  useEffect(() => {
    if (shown.current !== key) main.current?.focus();
    shown.current = key;
  }, [key]);
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
    case "compare":
      return <Lazy key="compare" file={loadCompare} props={{ id: route.value.id ?? "" }} />;
    case "load":
      return <LoadView />;
    case "scenarios":
      return <Lazy key="scenarios" file={loadScenarios} props={{}} />;
    default:
      return (
        <p class="empty">
          Page not found. <a href="#/mesh">Open Mesh</a>
        </p>
      );
  }
}
