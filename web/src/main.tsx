import { render } from "preact";
import { App } from "./state/app.ts";
import "./style/base.css";
import "./style/layout.css";
import "./style/parts.css";
import "./style/chart.css";
import "./style/plot.css";
import { Page } from "./ui/Page.tsx";

const app = new App();
app.start();
render(<Page app={app} />, document.getElementById("app") as HTMLElement);
