// The API key is asked for once and kept by this browser until it is forgotten.

const NAME = "foretick.key";

/** The stored key, empty when there is none or storage is blocked. */
export function readKey(): string {
  try {
    return localStorage.getItem(NAME) ?? memory;
  } catch {
    return memory;
  }
}

let memory = "";

/** Keeps the key; where storage is blocked, until the page is closed. */
export function keepKey(key: string): void {
  memory = key;
  try {
    localStorage.setItem(NAME, key);
  } catch {
    // kept in memory only
  }
}

export function forgetKey(): void {
  memory = "";
  try {
    localStorage.removeItem(NAME);
  } catch {
    // nothing was kept
  }
}
