import { share } from "../format/number.ts";
import { type Box, Figure, Rules, scale } from "./Figure.tsx";

/** Heights of the bands at one place, top to bottom, as parts of one. */
export interface Slice {
  name: string;
  parts: readonly number[];
}

interface Props {
  title: string;
  note: string;
  desc: string;
  names: readonly string[];
  slices: readonly Slice[];
  /** How many of the newest slices stand in the table. */
  rows: number;
  height: number;
}

/** Parts of a whole over time: bands that lie on each other, each with its name in it. */
export function Stack({ title, note, desc, names, slices, rows, height }: Props) {
  return (
    <Figure
      title={title}
      note={note}
      desc={desc}
      height={height}
      table={{
        head: ["Sealed at", ...names],
        rows: slices
          .slice(-rows)
          .reverse()
          .map(s => [s.name, ...s.parts.map(p => share(p))]),
      }}
      draw={box => <Layers names={names} slices={slices} box={box} />}
    />
  );
}

function Layers({ names, slices, box }: { names: readonly string[]; slices: readonly Slice[]; box: Box }) {
  const n = slices.length;
  const x = scale(0, Math.max(1, n - 1), box.left, box.right);
  const y = scale(0, 1, box.bottom, box.top);
  // The upper edge of each band at each slice, from 1 downwards.
  const edges = slices.map(s => {
    const list = [1];
    for (const p of s.parts) list.push(Math.max(0, (list[list.length - 1] ?? 0) - p));
    return list;
  });
  const [first, last] = [slices[0], slices[n - 1]];
  return (
    <>
      {names.map((name, k) => {
        const upper = edges.map((e, i) => `${x(i).toFixed(1)} ${y(e[k] ?? 0).toFixed(1)}`);
        const lower = edges.map((e, i) => `${x(i).toFixed(1)} ${y(e[k + 1] ?? 0).toFixed(1)}`).reverse();
        const end = edges[n - 1] ?? [];
        const [top, bottom] = [y(end[k] ?? 0), y(end[k + 1] ?? 0)];
        return (
          <g key={name}>
            <title>{`${name}, ${share(last?.parts[k])} now`}</title>
            <path class={`layer tint${k % 3}`} d={`M${upper.join("L")}L${lower.join("L")}Z`} />
            {bottom - top >= 12 && (
              <text class="inside" x={box.right - 8} y={(top + bottom) / 2 + 4} text-anchor="end">
                {name}
              </text>
            )}
          </g>
        );
      })}
      <Rules box={box} at={[0, 0.5, 1]} y={y} label={v => share(v, 0)} />
      <text class="axis" x={box.left} y={box.bottom + 16}>
        {first?.name}
      </text>
      <text class="axis" x={box.right} y={box.bottom + 16} text-anchor="end">
        {last?.name}
      </text>
    </>
  );
}
