import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

/** Where a plot draws, in pixels: text keeps its size whatever the width. */
export interface Box {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const FIRST_WIDTH = 340;

/** Longer tables are made when someone opens them. */
const FEW = 60;

/** The width of an element, renewed when it changes. */
function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(FIRST_WIDTH);
  useEffect(() => {
    const e = ref.current;
    if (e === null) return;
    const measure = (): void => {
      if (e.clientWidth > 0) setWidth(e.clientWidth);
    };
    const sizes = new ResizeObserver(measure);
    sizes.observe(e);
    measure();
    return () => sizes.disconnect();
  }, []);
  return { ref, width };
}

interface Props {
  title: string;
  /** What is drawn, in a few words under the title. */
  note: string;
  /** What it shows now, for those who do not see it. */
  desc: string;
  height: number;
  left?: number;
  right?: number;
  wide?: boolean;
  /** The same numbers as a table. */
  table: { head: string[]; rows: (string | number)[][] };
  draw(box: Box): ComponentChildren;
}

/** A plot with its caption, its words and its numbers. */
export function Figure({ title, note, desc, height, left = 40, right = 10, wide, table, draw }: Props) {
  const { ref, width } = useWidth();
  const id = useId();
  const [open, setOpen] = useState(false);
  const box = { width, height, left, right: width - right, top: 10, bottom: height - 24 };
  return (
    <figure class={wide ? "plot span" : "plot"}>
      <figcaption>
        <h3>{title}</h3>
        <p class="muted">{note}</p>
      </figcaption>
      <div ref={ref} style={{ height: `${height}px` }}>
        <svg
          role="img"
          aria-labelledby={`${id}-t ${id}-d`}
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
        >
          <title id={`${id}-t`}>{title}</title>
          <desc id={`${id}-d`}>{desc}</desc>
          {draw(box)}
        </svg>
      </div>
      <details onToggle={e => setOpen(e.currentTarget.open)}>
        <summary>Numbers</summary>
        <section class="scroll tall" tabIndex={0} aria-label={`${title}: numbers`}>
          <table>
            <thead>
              <tr>
                {table.head.map((h, i) => (
                  <th key={h} scope="col" class={i === 0 ? "text" : ""}>
                    {h}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(open || table.rows.length <= FEW ? table.rows : []).map(([name, ...cells]) => (
                <tr key={name}>
                  <th scope="row" class="text">
                    {name}
                  </th>
                  {cells.map((c, i) => (
                    <td key={table.head[i + 1]}>{c}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}

/** A scale from values to pixels. */
export const scale =
  (v0: number, v1: number, p0: number, p1: number) =>
  (v: number): number =>
    p0 + ((v - v0) / (v1 - v0 || 1)) * (p1 - p0);

/** Round steps from 0 or a lower bound up to a value, at most about n of them. */
export function ticks(from: number, to: number, n: number): number[] {
  const raw = (to - from) / Math.max(1, n);
  if (!(raw > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find(m => m * power >= raw * 0.999) ?? 10) * power;
  const list: number[] = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-6; k++) list.push(k * step);
  return list;
}

/** Horizontal grid lines with their values on the left. */
export function Rules({
  box,
  at,
  y,
  label,
}: {
  box: Box;
  at: number[];
  y(v: number): number;
  label(v: number): string;
}) {
  return (
    <g class="rules">
      {at.map(v => (
        <g key={v}>
          <line x1={box.left} x2={box.right} y1={y(v)} y2={y(v)} />
          <text x={box.left - 6} y={y(v) + 4} text-anchor="end">
            {label(v)}
          </text>
        </g>
      ))}
    </g>
  );
}
