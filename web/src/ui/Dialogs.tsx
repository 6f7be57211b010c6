import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api, entryAddress } from "../api/client.ts";
import { forgetKey, readKey } from "../api/key.ts";
import type { App } from "../state/app.ts";

/** Asks for the API key; shown when the server answers 401. */
export function KeyPrompt({ app }: { app: App }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  const why = app.needKey.value;
  useEffect(() => {
    if (why !== "" && !dialog.current?.open) dialog.current?.showModal();
    if (why === "" && dialog.current?.open) dialog.current.close();
  }, [why]);
  if (why === "") return null;
  const submit = (e: Event): void => {
    e.preventDefault();
    if (key.trim() === "") return;
    app.useKey(key.trim());
    setKey("");
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="key-title" onCancel={e => e.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id="key-title">API key</h2>
        <p>
          {why === "refused"
            ? "Foretick did not accept this key. Enter another one."
            : "This Foretick is not open to everyone. Enter the key that you were given (role read is enough)."}
        </p>
        <label class="field">
          <span>Key</span>
          <input
            type="password"
            name="key"
            autoComplete="current-password"
            value={key}
            onInput={e => setKey(e.currentTarget.value)}
            required
          />
        </label>
        <p class="muted">It is kept in this browser only, and can be forgotten at the foot of the page.</p>
        <button type="submit" class="primary">
          Use key
        </button>
      </form>
    </dialog>
  );
}

/** Shows one ledger entry as JSON. */
export function Inspector({ app }: { app: App }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const entry = app.inspected.value;
  const series = app.view.value.series;
  useEffect(() => {
    if (entry === null) return;
    setText("Loading…");
    dialog.current?.showModal();
    const abort = new AbortController();
    api.entry(series, entry, abort.signal).then(
      e => setText(JSON.stringify(e, null, 2)),
      (e: unknown) => {
        if (!abort.signal.aborted) setText(e instanceof ApiError ? `${e.message} ${e.advice}` : String(e));
      },
    );
    return () => abort.abort();
  }, [entry, series]);
  if (entry === null) return null;
  const close = (): void => {
    app.inspected.value = null;
  };
  return (
    <dialog ref={dialog} class="dialog inspector" aria-labelledby="inspector-title" onClose={close}>
      <div class="head">
        <h2 id="inspector-title">Ledger entry {entry}</h2>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <pre tabIndex={0}>{text}</pre>
      {readKey() === "" && (
        <p>
          <a href={entryAddress(series, entry)}>{entryAddress(series, entry)}</a>
        </p>
      )}
    </dialog>
  );
}

/** Forgets the stored key. */
export function ForgetKey({ app }: { app: App }) {
  if (app.status.value === null || readKey() === "") return null;
  return (
    <button
      type="button"
      class="link"
      onClick={() => {
        forgetKey();
        location.reload();
      }}
    >
      Forget API key
    </button>
  );
}
