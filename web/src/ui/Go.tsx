import type { ComponentChildren } from "preact";
import type { App } from "../state/app.ts";
import { formatView, type View } from "../state/url.ts";

type Place = Pick<View, "page" | "ids" | "series" | "model" | "horizon">;

interface Props {
  app: App;
  to: Partial<Place>;
  title?: string;
  /** What it is now, when it is where the page is: "page", or "true" in a list. */
  current?: "page" | "true" | undefined;
  class?: string;
  children: ComponentChildren;
}

/** A link within this dashboard: the stream and what is loaded stay. */
export function Go({ app, to, title, current, class: look, children }: Props) {
  return (
    <a
      href={formatView({ ...app.view.value, ...to }) || "/"}
      class={look}
      title={title}
      aria-current={current}
      onClick={e => {
        if (e.ctrlKey || e.metaKey || e.shiftKey) return;
        e.preventDefault();
        app.look(to);
      }}
    >
      {children}
    </a>
  );
}

/** A link to a version, a training, or the newest version of a model. */
export function GoModel({ app, id, ...rest }: Omit<Props, "to" | "current"> & { id: string }) {
  const current = app.view.value.page === "models" && app.view.value.ids[0] === id ? "true" : undefined;
  return <Go app={app} to={{ page: "models", ids: [id] }} current={current} {...rest} />;
}
