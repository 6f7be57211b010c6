import type { ComponentChildren } from "preact";
import type { App } from "../state/app.ts";
import { formatView } from "../state/url.ts";

interface Props {
  app: App;
  /** The version or the training that it goes to. */
  id: string;
  title?: string;
  children: ComponentChildren;
}

/** A link to a version or a training. */
export function Go({ app, id, title, children }: Props) {
  const to = { page: "models" as const, ids: [id] };
  return (
    <a
      href={formatView({ ...app.view.value, ...to })}
      title={title}
      aria-current={app.view.value.ids[0] === id ? "true" : undefined}
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
