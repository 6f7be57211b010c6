import { useId, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import type { App } from "../state/app.ts";
import type { Desk } from "./desk.ts";
import { addressOf, bytes, plain } from "./words.ts";

/** Takes a version's file and stores it. */
export function Bring({ app, desk }: { app: App; desk: Desk }) {
  const id = useId();
  const [file, setFile] = useState<File | null>(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const send = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (file === null) return setProblem("Choose a file.");
    setProblem("");
    setSending(true);
    try {
      const v = await desk.bring(file);
      app.look({ page: "models", ids: [addressOf(v)] });
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      const message = plain(e.message);
      if (e.status !== 401) setProblem(e.status === 403 ? `${message}. ${e.advice}` : message);
    } finally {
      setSending(false);
    }
  };
  return (
    <details class="panel order bring">
      <summary>
        <h2>Import a version</h2>
      </summary>
      <form class="order-form" onSubmit={e => void send(e)}>
        <div class="field">
          <label for={id}>
            File <small>.safetensors, as “Download” and foretick models export give it</small>
          </label>
          <input
            id={id}
            type="file"
            accept=".safetensors"
            onChange={e => {
              setFile(e.currentTarget.files?.[0] ?? null);
              setProblem("");
            }}
          />
        </div>
        <p class="muted">
          Files of PyTorch are imported by the command line: <code>foretick models import</code>.
        </p>
        {problem !== "" && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary" disabled={sending}>
          {sending ? "Importing…" : file === null ? "Import" : `Import ${bytes(file.size)}`}
        </button>
      </form>
    </details>
  );
}
