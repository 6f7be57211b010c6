import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { readKey } from "../api/key.ts";

interface Props {
  label: string;
  /** Where the file is, and what it is called when it is saved. */
  href: string;
  name: string;
  fetch(): Promise<Blob>;
}

/** Saves a file of the server. A link carries no key: with one, the page fetches. */
export function Save({ label, href, name, fetch }: Props) {
  const [problem, setProblem] = useState("");
  if (readKey() === "") {
    return (
      <a class="button" href={href} download={name}>
        {label}
      </a>
    );
  }
  const save = async (): Promise<void> => {
    setProblem("");
    try {
      const url = URL.createObjectURL(await fetch());
      const a = document.createElement("a");
      a.href = url;
      a.download = name;
      a.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (e) {
      setProblem(e instanceof ApiError ? e.message : String(e));
    }
  };
  return (
    <>
      <button type="button" onClick={() => void save()}>
        {label}
      </button>
      {problem !== "" && (
        <span class="problem" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}
