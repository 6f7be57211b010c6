import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { App } from "../state/app.ts";
import "../style/desk.css";
import "./models.css";
import { Bring } from "./Bring.tsx";
import { Desk } from "./desk.ts";
import { Train } from "./Train.tsx";
import { TrainingPanel, Trainings } from "./Trainings.tsx";
import { VersionPanel } from "./Version.tsx";
import { Versions } from "./Versions.tsx";
import { find } from "./words.ts";

/** The stored models: what they are, how they learnt; train more, bring some along. */
export default function Models({ app }: { app: App }) {
  const desk = useMemo(() => new Desk(app), [app]);
  const locked = app.needKey.value !== "";
  useEffect(() => (locked ? undefined : desk.start()), [desk, locked]);
  const [training, setTraining] = useState(false);
  const form = useRef<HTMLDivElement>(null);
  const train = (): void => {
    setTraining(true);
    requestAnimationFrame(() => {
      form.current?.scrollIntoView({ block: "start" });
      form.current?.querySelector<HTMLElement>("summary")?.focus();
    });
  };
  const found = useRef<HTMLDivElement>(null);
  const [id] = app.view.value.ids;
  // What was chosen further down is shown further up.
  useEffect(() => {
    if (id !== undefined && (found.current?.getBoundingClientRect().top ?? 0) < 0)
      found.current?.scrollIntoView({ block: "start" });
  }, [id]);
  return (
    <div class="desk models">
      <div class="side" ref={form}>
        <Train app={app} desk={desk} shown={training} show={setTraining} />
        <Trainings app={app} desk={desk} />
        <Bring app={app} desk={desk} />
      </div>
      <div class="found" ref={found}>
        {desk.problem.value !== null && (
          <p class="strip bad" role="alert">
            <b>{desk.problem.value.title}.</b> {desk.problem.value.message} {desk.problem.value.advice}
          </p>
        )}
        <Chosen app={app} desk={desk} />
        <Versions app={app} desk={desk} train={train} />
      </div>
    </div>
  );
}

/** The version or the training that the address names. */
function Chosen({ app, desk }: { app: App; desk: Desk }) {
  const [id] = app.view.value.ids;
  const versions = desk.versions.value;
  if (id === undefined || versions === null || desk.jobs.value === null) return null;
  const job = desk.job(id);
  if (job !== undefined) return <TrainingPanel key={id} app={app} desk={desk} training={job} />;
  const version = find(versions, id);
  if (version !== undefined)
    return <VersionPanel key={`${version.name}/${version.id}`} app={app} desk={desk} version={version} />;
  return (
    <p class="strip warn" role="status">
      There is no model or training {id} on this server; it may have been deleted.
    </p>
  );
}
