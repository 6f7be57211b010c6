import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The binary under test; `make build` leaves it there. */
const BIN = process.env.FORETICK_BIN ?? join(root, "bin", "foretick");

/** The repository's own market data; its README says what is in each file. */
export const MARKET = join(root, "testdata", "market");

async function freePort(): Promise<number> {
  const s = createServer();
  await new Promise<void>(r => s.listen(0, "127.0.0.1", r));
  const a = s.address();
  await new Promise(r => s.close(r));
  if (a === null || typeof a === "string") throw new Error("no free port");
  return a.port;
}

/** A running `foretick serve` on a folder and a port of its own. */
export class Foretick {
  readonly url: string;
  #port: number;
  #data: string;
  #args: string[];
  #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #said = "";

  private constructor(port: number, data: string, args: string[], env: Record<string, string>) {
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#data = data;
    this.#args = args;
    this.#env = env;
  }

  static async serve(args: string[] = [], env: Record<string, string> = {}): Promise<Foretick> {
    if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run "make build" first, or set FORETICK_BIN`);
    const f = new Foretick(await freePort(), mkdtempSync(join(tmpdir(), "foretick-e2e-")), args, env);
    await f.start();
    return f;
  }

  /** Starts the process, again on the same folder and port after it was ended. */
  async start(): Promise<void> {
    const { PORT: _, FORETICK_API_KEYS: __, ...env } = process.env;
    const args = ["serve", "--addr", `127.0.0.1:${this.#port}`, "--data", this.#data, ...this.#args];
    const child = spawn(BIN, args, { env: { ...env, ...this.#env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const out of [child.stdout, child.stderr]) {
      out?.on("data", b => {
        this.#said = (this.#said + String(b)).slice(-4000);
      });
    }
    const until = Date.now() + 30_000;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`foretick ended with ${child.exitCode}: ${this.#said}`);
      const up = await fetch(`${this.url}/readyz`).then(
        r => r.ok,
        () => false,
      );
      if (up) return;
      if (Date.now() > until) throw new Error(`foretick is not ready: ${this.#said}`);
      await new Promise(r => setTimeout(r, 50));
    }
  }

  /** Ends the process and waits for its end. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(r => child.once("exit", r));
    child.kill(signal);
    await gone;
  }

  async dispose(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.#data, { recursive: true, force: true });
  }

  async get<T>(path: string, key = ""): Promise<T> {
    const res = await fetch(
      this.url + path,
      key === "" ? {} : { headers: { Authorization: `Bearer ${key}` } },
    );
    if (!res.ok) throw new Error(`${path} answered ${res.status}`);
    return (await res.json()) as T;
  }
}
