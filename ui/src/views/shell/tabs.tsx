import { link, type View } from "../../model/route.ts";
import { route } from "../../state/route.ts";

const TABS: readonly { view: View; name: string }[] = [
  { view: "mesh", name: "Mesh" },
  { view: "greeting", name: "Greeting" },
  { view: "traces", name: "Traces" },
  { view: "load", name: "Load" },
  { view: "scenarios", name: "Scenarios" },
];

export function Tabs() {
  const shown = ["trace", "compare"].includes(route.value?.view ?? "") ? "traces" : route.value?.view;
  return (
    <nav aria-label="Views">
      <ul class="tabs">
        {TABS.map(({ view, name }) => (
          <li key={view}>
            <a href={link(view)} aria-current={shown === view ? "page" : undefined}>
              {name}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
