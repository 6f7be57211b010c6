import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";

interface Props {
  /** What the button is called that asks. */
  label: string;
  title: string;
  /** What is lost. */
  about: string;
  keep: string;
  act: string;
  /** Does it; what the server has against it is thrown as an ApiError. */
  go(): Promise<void>;
  done(): void;
}

/** A button that does something that cannot be undone, after a question. */
export function Ask({ label, title, about, keep, act, go, done }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (asking) dialog.current?.showModal();
  }, [asking]);
  const yes = async (): Promise<void> => {
    setProblem("");
    try {
      await go();
      dialog.current?.close();
      done();
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      setProblem(e.status === 403 ? `${e.message}. ${e.advice}` : e.message);
    }
  };
  return (
    <>
      <button type="button" onClick={() => setAsking(true)}>
        {label}
      </button>
      {asking && (
        <dialog ref={dialog} class="dialog" aria-labelledby="ask-title" onClose={() => setAsking(false)}>
          <h2 id="ask-title">{title}</h2>
          <p>{about}</p>
          {problem !== "" && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <p class="buttons">
            <button type="button" onClick={() => dialog.current?.close()}>
              {keep}
            </button>
            <button type="button" class="primary" onClick={() => void yes()}>
              {act}
            </button>
          </p>
        </dialog>
      )}
    </>
  );
}
