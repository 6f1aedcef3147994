import { render } from "preact";
import { App } from "./app.tsx";
import { loadConfig } from "./state/api.ts";
import { startDeliveryLookup } from "./state/delivery.ts";
import { startLoadFeed } from "./state/load.ts";
import { startFeeds } from "./state/mesh.ts";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/mesh.css";
import "./styles/greeting.css";
import "./styles/traces.css";
import "./styles/trace.css";
import "./styles/load.css";

const root = document.getElementById("app");
if (root) {
  await loadConfig();
  startFeeds();
  startDeliveryLookup();
  startLoadFeed();
  render(<App />, root);
}
