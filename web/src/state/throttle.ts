/** Runs f at once, then at most once in every period; a call in between runs f at its end. */
export class Throttle {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again = false;
  #period: number;
  #f: () => void;

  constructor(period: number, f: () => void) {
    this.#period = period;
    this.#f = f;
  }

  call(): void {
    if (this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    this.#f();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.call();
    }, this.#period);
  }
}
