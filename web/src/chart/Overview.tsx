import { useEffect, useRef } from "preact/hooks";
import { moment } from "../format/time.ts";
import type { App } from "../state/app.ts";
import type { Candle } from "../state/bars.ts";
import { readPalette } from "./palette.ts";

const HEIGHT = 44;
const NARROWEST = 8;

interface Props {
  app: App;
  /** The part in sight, in indices of bars. */
  visible: { from: number; to: number };
  /** Bars of room after the last one. */
  margin: number;
  show(from: number, to: number): void;
}

/** All loaded bars on a strip, with a window over the part in sight that can be dragged. */
export function Overview({ app, visible, margin, show }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const drag = useRef<{ part: "from" | "to" | "both"; x: number; from: number; to: number } | null>(null);
  const theme = app.view.value.theme;

  useEffect(() => {
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      if (canvas.current !== null) paint(canvas.current, app.bars.items, margin);
    };
    const soon = (): void => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    const listener = { bars: soon, forecasts: () => {} };
    app.listeners.add(listener);
    const sizes = new ResizeObserver(soon);
    if (box.current !== null) sizes.observe(box.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", soon);
    soon();
    return () => {
      cancelAnimationFrame(frame);
      app.listeners.delete(listener);
      sizes.disconnect();
      dark.removeEventListener("change", soon);
    };
  }, [app, margin, theme]);

  // Reading the signal makes the strip follow new bars.
  const last = app.lastBar.value;
  const items = app.bars.items;
  const size = items.length - 1 + margin;
  if (last === null || items.length < 2) return <div class="overview" ref={box} />;

  const clamp = (v: number): number => Math.min(Math.max(v, 0), size);
  const from = clamp(visible.from);
  const to = Math.max(clamp(visible.to), from + 1);
  const left = (100 * from) / size;
  const right = (100 * to) / size;
  const words = (i: number): string => {
    const b = items[Math.min(Math.max(0, Math.round(i)), items.length - 1)] as Candle;
    return i > items.length - 1 ? "ahead of the latest bar" : moment(b.t);
  };

  const move = (part: "from" | "to" | "both", a: number, b: number, by: number): void => {
    if (part === "both") {
      const d = Math.min(Math.max(by, -a), size - b);
      show(a + d, b + d);
    } else if (part === "from") show(Math.min(clamp(a + by), b - NARROWEST), b);
    else show(a, Math.max(clamp(b + by), a + NARROWEST));
  };
  const bars = (pixels: number): number => (pixels * size) / (box.current?.clientWidth || 1);
  const start = (e: PointerEvent): void => {
    const target = e.target as HTMLElement;
    const part = (target.dataset.part ?? "") as "from" | "to" | "both" | "";
    let [a, b] = [from, to];
    if (part === "") {
      const rect = (box.current as HTMLElement).getBoundingClientRect();
      const middle = bars(e.clientX - rect.left);
      const half = (to - from) / 2;
      a = Math.min(Math.max(0, middle - half), size - 2 * half);
      b = a + 2 * half;
      show(a, b);
    }
    drag.current = { part: part === "" ? "both" : part, x: e.clientX, from: a, to: b };
    (box.current as HTMLElement).setPointerCapture(e.pointerId);
    e.preventDefault();
  };
  const go = (e: PointerEvent): void => {
    const d = drag.current;
    if (d !== null) move(d.part, d.from, d.to, bars(e.clientX - d.x));
  };
  const stop = (): void => {
    drag.current = null;
  };
  const key = (part: "from" | "to") => (e: KeyboardEvent) => {
    const step = e.shiftKey ? 50 : 5;
    const by = {
      ArrowLeft: -step,
      ArrowDown: -step,
      ArrowRight: step,
      ArrowUp: step,
      PageDown: -100,
      PageUp: 100,
    }[e.key];
    if (by !== undefined) move(part, from, to, by);
    else if (e.key === "Home") move(part, from, to, -size);
    else if (e.key === "End") move(part, from, to, size);
    else return;
    e.preventDefault();
  };
  const handle = (part: "from" | "to", at: number, value: number) => (
    <div
      class="handle"
      data-part={part}
      role="slider"
      tabIndex={0}
      aria-label={part === "from" ? "Start of the range in sight" : "End of the range in sight"}
      aria-valuemin={0}
      aria-valuemax={Math.round(size)}
      aria-valuenow={Math.round(value)}
      aria-valuetext={words(value)}
      style={{ left: `${at}%` }}
      onKeyDown={key(part)}
    />
  );
  return (
    <div
      class="overview"
      ref={box}
      onPointerDown={start}
      onPointerMove={go}
      onPointerUp={stop}
      onPointerCancel={stop}
    >
      <canvas ref={canvas} height={HEIGHT} />
      <div class="shade" style={{ left: 0, width: `${left}%` }} />
      <div class="shade" style={{ left: `${right}%`, right: 0 }} />
      <div class="brush" data-part="both" style={{ left: `${left}%`, width: `${right - left}%` }} />
      {handle("from", left, from)}
      {handle("to", right, to)}
    </div>
  );
}

/** Draws the closes; where many bars share a pixel, their lowest and highest. */
function paint(canvas: HTMLCanvasElement, items: readonly Candle[], margin: number): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const c = canvas.getContext("2d");
  if (c === null || items.length < 2) return;
  const palette = readPalette(canvas);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const b of items) {
    low = Math.min(low, b.close);
    high = Math.max(high, b.close);
  }
  const flat = high - low || 1;
  const size = items.length - 1 + margin;
  const x = (i: number): number => (i * width) / size;
  const y = (v: number): number => 5 + (HEIGHT - 10) * (1 - (v - low) / flat);
  c.scale(ratio, ratio);
  c.clearRect(0, 0, width, HEIGHT);
  c.beginPath();
  let pixel = -1;
  items.forEach((b, i) => {
    const px = Math.floor(x(i));
    if (px === pixel) {
      c.lineTo(px, y(b.close));
      return;
    }
    pixel = px;
    if (i === 0) c.moveTo(x(i), y(b.close));
    else c.lineTo(x(i), y(b.close));
  });
  c.strokeStyle = palette.muted;
  c.lineWidth = 1.1;
  c.stroke();
  c.lineTo(x(items.length - 1), HEIGHT);
  c.lineTo(0, HEIGHT);
  c.closePath();
  c.fillStyle = palette.brush;
  c.fill();
}
